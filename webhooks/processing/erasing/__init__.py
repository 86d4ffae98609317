"""Erase receipts: what the provider has erased of the events that were published from them.

Called by the signal ``events_erased`` only (``webhooks.kit.tenancy``).
"""
