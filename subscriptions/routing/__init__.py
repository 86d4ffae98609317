"""Find the endpoints of an event: the snapshot of a tenant's subscriptions, with compiled patterns and transformers.

Reads only. Called by ``delivery``.
"""
