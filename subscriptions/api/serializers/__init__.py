"""Serialize the resources of the provider's management: one module a resource."""
