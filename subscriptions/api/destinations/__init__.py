"""Serve the types of endpoints: which systems deliveries can be written to, and their settings."""
