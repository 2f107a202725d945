"""Support for the tests: values with names that matter, and far sides of borders."""
