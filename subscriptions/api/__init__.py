"""Serve tenants, plans, keys, endpoints and subscriptions over REST.

Views fetch, call one function and answer. ``delivery.api`` shares the authentication and the tenant scope of a request.
"""
