"""The doors for Celery: each calls one verb, and is rung by beat (see config.celery)."""

from celery import shared_task

from subscriptions.tenants import idempotency


@shared_task(name="subscriptions.sweep", ignore_result=True)
def sweep() -> None:
    idempotency.delete_expired()
