"""The provider's Celery tasks: each calls one function. The schedule is in ``config.celery``."""

from celery import shared_task
from celery.signals import worker_shutting_down

from delivery.lifecycle import retention, usage
from delivery.lifecycle import sweep as sweeping
from delivery.replaying import replays
from delivery.sending import drain
from delivery.sending.shutdown import request_stop


@shared_task(name="delivery.deliver_due", ignore_result=True)
def deliver_due() -> None:
    """Run a drain."""
    drain.deliver_due()


@shared_task(name="delivery.recover", ignore_result=True)
def recover() -> None:
    """Recover expired claims and resume lanes."""
    sweeping.recover()


@shared_task(name="delivery.sweep", ignore_result=True)
def sweep() -> None:
    """Find pending deliveries that no lane is due for."""
    sweeping.sweep()


@shared_task(name="delivery.apply_retention", ignore_result=True)
def apply_retention() -> None:
    """Delete what is past its retention."""
    retention.apply_retention()


@shared_task(name="delivery.replay_slices", ignore_result=True)
def replay_slices() -> None:
    """Continue all running replays."""
    replays.run_slices()


@shared_task(name="delivery.fold_usage", ignore_result=True)
def fold_usage() -> None:
    """Fold usage increments into daily totals."""
    usage.fold()


@worker_shutting_down.connect
def stop_drains(**_: object) -> None:
    """Let running drains finish when the worker shuts down."""
    request_stop()
