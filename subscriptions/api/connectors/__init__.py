"""Serve the connectors: list them, and create endpoints from them."""
