"""Serialize events, deliveries, dead letters, replays and broadcasts: one module a resource."""
