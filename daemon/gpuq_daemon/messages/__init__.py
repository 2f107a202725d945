"""Tells owners of jobs what happens to these: composed, put into an outbox, and sent until taken or given up."""
