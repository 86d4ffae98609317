"""Run handlers: several receipts in one transaction, each in a savepoint and within a time limit.

Called by ``webhooks.processing.process`` only.
"""
