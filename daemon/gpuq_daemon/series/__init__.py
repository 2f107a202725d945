"""Points of a series: what they are, how they are packed, how they are thinned to a width. Pure."""
