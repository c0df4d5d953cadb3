"""Processes of our own that may be killed: what a stranger wrote is read there."""
