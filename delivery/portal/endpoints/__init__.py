"""Serve the pages of endpoints: the list, one endpoint, a new one, and its changes."""
