"""List the periodic tasks of the receiver."""

from webhooks.kit.periodic_task import periodic_task
from webhooks.processing.process import process_due
from webhooks.processing.sweep import sweep
from webhooks.processing.turns.claims import HAS_PENDING

PERIODIC_TASKS = [
    periodic_task("webhooks.process_due", process_due, every=1, has_work=HAS_PENDING),
    periodic_task("webhooks.sweep", sweep, every=60),
]
