"""Serve the keys that decrypt masked values."""
