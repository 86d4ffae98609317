"""Process receipts in this process, for projects without Celery: process due receipts, replay, sweep, poll.

Several may run side by side, also beside Celery: each receipt is claimed by one. A worker survives restarts of the
database, and any other error: it logs the error, waits, and goes on with a new connection.
"""

import time
from threading import Event

from django.db import close_old_connections, connections

from webhooks import telemetry
from webhooks.processing.process import process_due
from webhooks.processing.replays import run_slices
from webhooks.processing.sweep import sweep

POLL_SECONDS = 1.0  # between two polls while nothing is due
SWEEP_SECONDS = 60.0  # between two sweeps
RUN_SECONDS = 1.0  # of work before the next check of the stop event
FIRST_PAUSE = 1.0  # seconds after an error; doubled after each further one
LONGEST_PAUSE = 30.0  # seconds


def run_worker(stop: Event) -> None:
    """Process receipts until ``stop`` is set; a started receipt is finished."""
    swept, pause = 0.0, FIRST_PAUSE
    while not stop.is_set():
        try:
            close_old_connections()
            if time.monotonic() - swept > SWEEP_SECONDS:
                sweep()
                swept = time.monotonic()
            run_slices(seconds=RUN_SECONDS)
            has_worked = bool(process_due(RUN_SECONDS))
            pause = FIRST_PAUSE
        except Exception as error:
            telemetry.log_worker_waits(pause, error)
            connections.close_all()
            stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            continue
        if not has_worked:
            stop.wait(POLL_SECONDS)


def run_once() -> int:
    """Process receipts until none is due, and return their number."""
    done = 0
    run_slices(seconds=RUN_SECONDS)
    while processed := process_due(RUN_SECONDS):
        done += processed
    return done
