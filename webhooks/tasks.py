"""Define the Celery tasks of the receiver; each calls one function."""

from celery import shared_task

from webhooks.processing.process import process_due
from webhooks.processing.sweep import sweep


@shared_task(name="webhooks.process_due", ignore_result=True)
def process_due_receipts() -> None:
    """Process due receipts."""
    process_due()


@shared_task(name="webhooks.sweep", ignore_result=True)
def sweep_receipts() -> None:
    """Delete what is past its retention."""
    sweep()
