"""Give every REST resource the same behaviour.

Errors, pagination, query parameters, idempotency, conditional requests, OpenAPI. Wired in by ``config.settings``.
"""
