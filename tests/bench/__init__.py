"""Measurements: `make bench [ONLY=name]`. Never tests, since machines are shared: read them beside their own base."""
