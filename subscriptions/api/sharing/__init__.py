"""Serve grants, by which a tenant shares events with another one: resource and serializer."""
