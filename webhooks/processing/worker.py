"""Work through receipts in this process, for projects that run no Celery: process what is due, sweep, look again.

As many of these as one likes may run side by side, also beside Celery: a receipt is claimed by one.
"""

import time
from threading import Event

from webhooks.processing.process import process_due
from webhooks.processing.sweep import sweep

LOOK = 1.0  # seconds between two looks when nothing is due
SWEEP = 60.0  # seconds between two sweeps
TURN = 1.0  # seconds of work before we look whether to stop


def run_worker(stop: Event) -> None:
    """Work until told to stop; what has begun is finished."""
    swept = 0.0
    while not stop.is_set():
        if time.monotonic() - swept > SWEEP:
            sweep()
            swept = time.monotonic()
        if not process_due(TURN):
            stop.wait(LOOK)


def run_once() -> int:
    """Work until nothing is due. Returns how many receipts were processed."""
    done = 0
    while processed := process_due(TURN):
        done += processed
    return done
