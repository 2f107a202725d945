"""What watches the world outside for the daemon; a collector returns values and writes no rows."""
