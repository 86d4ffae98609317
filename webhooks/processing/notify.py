"""Notify the workers that receipts are due, after the commit."""

from webhooks.kit.notify import TaskNotifier

__all__ = ["receipt_workers"]

receipt_workers = TaskNotifier("webhooks.process_due", "default", pause=0.02)
