"""Doors for Celery: a ring says look, and the verb looks."""

from celery import shared_task

from webhooks.processing.process import process_due
from webhooks.processing.sweep import sweep


@shared_task(name="webhooks.process_due", ignore_result=True)
def process_due_receipts() -> None:
    process_due()


@shared_task(name="webhooks.sweep", ignore_result=True)
def sweep_receipts() -> None:
    sweep()
