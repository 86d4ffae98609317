"""Receive webhooks: an app that installs alone. Its ground floor (wire, kit, outgoing) is shared with the provider.

A host project adds ``webhooks`` to INSTALLED_APPS and includes ``webhooks.inbound_urls``.
"""
