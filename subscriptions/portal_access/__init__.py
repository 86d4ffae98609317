"""Let a tenant's people into the portal: one-time links, the session that each opens, its theme, what was done in it.

The pages are in ``delivery.portal``; the resource of the API is in ``subscriptions.api.portal``.
"""
