"""Notify the workers that receipts are due, after the commit."""

from webhooks.kit.notify import TaskNotifier

receipt_workers = TaskNotifier("webhooks.process_due", "default", pause=0.02)
