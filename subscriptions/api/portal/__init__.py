"""Serve portal links."""
