"""Configure the Celery app and the schedule of periodic tasks.

Messages are notifications without content: work is found in the database, so none is stored, awaited, or of use
after its period.
"""

import os
import warnings
from pathlib import Path
from typing import Any

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import beat_init, celeryd_init, setup_logging
from django.conf import settings

from config.local import embedded
from config.ops.worker_watchdog import BrokerWatchdog

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Celery warns root of pickled messages, which this app does not read: CELERY_ACCEPT_CONTENT is JSON only.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("waypost")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.set_default()  # for every thread; otherwise a task sent from a web thread uses an app without a broker
app.steps["consumer"].add(BrokerWatchdog)

PERIODIC_TASKS = [
    # task, period in seconds, queue. A message that no worker took within its period expires.
    ("delivery.deliver_due", 1, "delivery"),
    ("delivery.recover", 2, "default"),
    ("delivery.replay_slices", 2, "default"),
    ("delivery.sweep", 60, "default"),
    ("delivery.fold_usage", 10, "default"),
    ("delivery.apply_retention", 60, "default"),
    ("subscriptions.sweep", 60, "default"),
    ("webhooks.process_due", 1, "default"),
    ("webhooks.sweep", 60, "default"),
]

app.conf.beat_schedule = {
    task: {"task": task, "schedule": float(period), "options": {"queue": queue, "expires": float(period)}}
    for task, period, queue in PERIODIC_TASKS
}


@celeryd_init.connect
@beat_init.connect
def attach_to_the_broker(**_signal: Any) -> None:
    """Start the embedded broker for a worker or a beat that was started by hand."""
    if settings.WAYPOST_EMBEDDED_BROKER:
        embedded.attach(embedded.VALKEY, Path(settings.WAYPOST_DATA))


@beat_init.connect
def send_every_task_at_start(**_signal: Any) -> None:
    """Run every periodic task once at start: work left from before is found now, not after the longest period."""
    for task, period, queue in PERIODIC_TASKS:
        app.send_task(task, queue=queue, expires=float(period), ignore_result=True)


@setup_logging.connect
def leave_logging_to_django(**_signal: Any) -> None:
    """Keep Celery from setting up logging; a receiver of this signal is enough."""
