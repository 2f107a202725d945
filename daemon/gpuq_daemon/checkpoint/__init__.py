"""Checkpoints of TensorFlow and Keras read where they lie, by ranges, without TensorFlow."""
