"""Process receipts in this process, for projects without Celery: process due receipts, sweep, poll.

Several may run side by side, also beside Celery: each receipt is claimed by one.
"""

import time
from threading import Event

from webhooks.processing.process import process_due
from webhooks.processing.sweep import sweep

POLL_SECONDS = 1.0  # between two polls while nothing is due
SWEEP_SECONDS = 60.0  # between two sweeps
RUN_SECONDS = 1.0  # of work before the next check of the stop event


def run_worker(stop: Event) -> None:
    """Process receipts until ``stop`` is set; a started receipt is finished."""
    swept = 0.0
    while not stop.is_set():
        if time.monotonic() - swept > SWEEP_SECONDS:
            sweep()
            swept = time.monotonic()
        if not process_due(RUN_SECONDS):
            stop.wait(POLL_SECONDS)


def run_once() -> int:
    """Process receipts until none is due, and return their number."""
    done = 0
    while processed := process_due(RUN_SECONDS):
        done += processed
    return done
