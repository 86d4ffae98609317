"""Send single attempts to an endpoint now, outside the drain: test deliveries and endpoint verification by event.

Belongs here: what a tenant starts by hand and waits for. No deliveries are created, nothing is recorded.
Called by ``api``.
"""
