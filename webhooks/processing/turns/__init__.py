"""Decide which receipts run next: turns of tenants and sources, slow sources alone, shares of worker processes.

Called by ``webhooks.processing.process`` only.
"""
