"""What has changed, as numbered events that any number of streams read."""
