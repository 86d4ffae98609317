"""List the periodic tasks of the receiver."""

from webhooks.kit.periodic_task import periodic_task
from webhooks.processing.process import process_due
from webhooks.processing.sweep import sweep

PERIODIC_TASKS = [
    periodic_task("webhooks.process_due", process_due, every=1),
    periodic_task("webhooks.sweep", sweep, every=60),
]
