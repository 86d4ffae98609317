"""Manage tenants: their API keys, plans and limits, and the stored responses of idempotent requests.

Called by every other room of the provider.
"""
