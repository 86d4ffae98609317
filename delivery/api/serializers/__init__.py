"""Serialize events, deliveries, dead letters, replays and cancellations: one module a resource."""
