"""Engines: where Spark runs."""
