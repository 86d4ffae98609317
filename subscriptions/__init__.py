"""Manage tenants and what they want delivered: API keys, endpoints, subscriptions, event types, routing."""
