"""Serve tenants, plans, keys, endpoints and subscriptions over REST.

Views fetch, call one function, respond. ``delivery.api`` shares the authentication and the tenant scope of a request.
"""
