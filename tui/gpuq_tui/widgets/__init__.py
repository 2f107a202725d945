"""Widgets: they get models or lines, post messages, and know no client, no screen and no siblings."""
