"""The Celery app: messages are doorbells, so none is stored, awaited, or worth much after a second."""

import os
import warnings
from pathlib import Path
from typing import Any

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import beat_init, celeryd_init, setup_logging
from django.conf import settings

from config.local import embedded
from config.ops.worker_watchdog import Ear

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Celery warns root of pickled messages, which this app does not read: CELERY_ACCEPT_CONTENT is JSON only.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("waypost")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.set_default()  # in every thread: otherwise a ring from a web thread goes to an app that knows no broker
app.steps["consumer"].add(Ear)

RINGS = [
    # duty, every so many seconds, queue. A ring that nobody heard within its period is stale, and dropped.
    ("delivery.deliver_due", 1, "delivery"),
    ("delivery.rescue", 2, "default"),
    ("delivery.replay_slices", 2, "default"),
    ("delivery.sweep", 60, "default"),
    ("delivery.fold_usage", 10, "default"),
    ("delivery.retire", 60, "default"),
    ("subscriptions.sweep", 60, "default"),
    ("webhooks.process_due", 1, "default"),
    ("webhooks.sweep", 60, "default"),
]

app.conf.beat_schedule = {
    task: {"task": task, "schedule": float(period), "options": {"queue": queue, "expires": float(period)}}
    for task, period, queue in RINGS
}


@celeryd_init.connect
@beat_init.connect
def attach_to_the_broker(**_signal: Any) -> None:
    """A worker or a beat started by hand finds the embedded broker running."""
    if settings.WAYPOST_EMBEDDED_BROKER:
        embedded.attach(embedded.VALKEY, Path(settings.WAYPOST_DATA))


@beat_init.connect
def ring_at_the_start(**_signal: Any) -> None:
    """Whatever was owed when everything stopped is looked for now, not after the longest period."""
    for task, period, queue in RINGS:
        app.send_task(task, queue=queue, expires=float(period), ignore_result=True)


@setup_logging.connect
def leave_logging_to_django(**_signal: Any) -> None:
    """With a receiver for this signal, Celery sets up no logging of its own."""
