"""Mask what endpoints receive: the masks of event types and endpoints, and the keys of a tenant for them.

Belongs here: which masks apply, and the keys. What a mask does is in ``webhooks.wire.masking``. Called by publishing,
fan-out, dry runs and the REST API.
"""
