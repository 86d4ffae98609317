"""Configure the Celery app and the schedule of periodic tasks.

Messages are notifications without content: work is found in the database, so none is stored, awaited, or of use
after its period.
"""

import gc
import os
import warnings
from pathlib import Path
from typing import Any

from celery import Celery
from celery.platforms import SecurityWarning
from celery.signals import beat_init, celeryd_init, setup_logging, worker_before_create_process
from django.conf import settings

from config.broker import use_long_poll_transport
from config.local import embedded
from config.ops.worker_watchdog import BrokerWatchdog
from config.postgresql.worker_connections import keep_connections
from config.schedule.plan import periodic_tasks
from webhooks.kit.periodic_task import beat_schedule
from webhooks.kit.process.open_files import raise_limit

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Celery warns root of pickled messages, which this app does not read: CELERY_ACCEPT_CONTENT is JSON only.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("waypost")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.set_default()  # for every thread; otherwise a task sent from a web thread uses an app without a broker
app.steps["consumer"].add(BrokerWatchdog)
keep_connections(app)
use_long_poll_transport()


@app.on_after_finalize.connect
def schedule_periodic_tasks(sender: Celery, **_signal: Any) -> None:
    """Put the periodic tasks of all apps on the schedule."""
    sender.conf.beat_schedule = {
        name: entry for it in periodic_tasks() for name, entry in beat_schedule({it.name: it.every}, it.queue).items()
    }


@celeryd_init.connect
@beat_init.connect
def raise_limit_of_open_files(**_signal: Any) -> None:
    """Allow this process and its children as many open files as the system does."""
    raise_limit()


@celeryd_init.connect
@beat_init.connect
def attach_to_the_broker(**_signal: Any) -> None:
    """Start the embedded broker for a worker or a beat that was started by hand."""
    if settings.WAYPOST_EMBEDDED_BROKER:
        embedded.attach(embedded.VALKEY, Path(settings.WAYPOST_DATA))


@worker_before_create_process.connect
def freeze_heap(**_signal: Any) -> None:
    """Leave what is loaded out of garbage collection, which would copy its memory into each forked process."""
    gc.freeze()


@setup_logging.connect
def leave_logging_to_django(**_signal: Any) -> None:
    """Keep Celery from setting up logging; a receiver of this signal is enough."""
