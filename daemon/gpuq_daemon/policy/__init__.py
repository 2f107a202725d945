"""Decisions: a snapshot goes in, a plan comes out. No clock, file, socket, thread, SQL or log."""
