"""What is in an event file: bytes in, records and points out. No file, clock, database or TensorFlow."""
