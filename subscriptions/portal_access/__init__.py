"""Let a tenant's people into the portal: one-time links, the session that each opens, and its theme.

The pages are in ``delivery.portal``; the resource of the API is in ``subscriptions.api.portal``.
"""
