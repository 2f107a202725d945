"""One door to files wherever they are: found, read by ranges, followed while they grow, each step with a deadline."""
