"""Serve event types over REST, and the catalogue that people browse."""
