"""Serve the history of a tenant and of an endpoint: the figures of days, which are kept for years."""
