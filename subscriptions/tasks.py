"""Run periodic work of this app in Celery (see config.celery for the schedule)."""

from celery import shared_task

from subscriptions.tenants import idempotency


@shared_task(name="subscriptions.sweep", ignore_result=True)
def sweep() -> None:
    """Delete the stored responses of idempotent requests that have expired."""
    idempotency.delete_expired()
