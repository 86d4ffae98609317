"""The doors for Celery: each fetches nothing, calls one verb, and is rung by beat (see config.celery)."""

from celery import shared_task
from celery.signals import worker_shutting_down

from delivery.lifecycle import retention, sweep
from delivery.publishing import usage
from delivery.replaying import replays
from delivery.sending import drain
from delivery.sending.shutdown import request_stop


@shared_task(name="delivery.deliver_due", ignore_result=True)
def deliver_due() -> None:
    drain.deliver_due()


@shared_task(name="delivery.rescue", ignore_result=True)
def rescue() -> None:
    sweep.rescue()


@shared_task(name="delivery.sweep", ignore_result=True)
def sweep_debts() -> None:
    sweep.sweep()


@shared_task(name="delivery.retire", ignore_result=True)
def retire() -> None:
    retention.retire()


@shared_task(name="delivery.replay_slices", ignore_result=True)
def replay_slices() -> None:
    replays.run_slices()


@shared_task(name="delivery.fold_usage", ignore_result=True)
def fold_usage() -> None:
    usage.fold()


@worker_shutting_down.connect
def stop_drains(**_: object) -> None:
    request_stop()
