"""Serve the provider's REST resources: each view fetches, calls one function and responds. Routes: ``urls``."""
