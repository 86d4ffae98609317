"""A handler that does not come back is ended: by an exception at its deadline, by the end of its process soon after.

A handler may hang in Python, in a query, or in C code that never looks up. So there are two clocks. At the deadline
a signal raises ``HandlerTimeout`` wherever the handler is: the transaction is rolled back, and the receipt is a failure
like any other. If the handler is still there ``GRACE`` seconds later (it caught the exception, or is in C code that
holds the interpreter), a watchdog that needs no interpreter writes where it hangs to stderr and ends the process:
Celery starts another, and the receipt is due again when its claim runs out.

Signals reach the main thread only, which is where Celery's processes and the command run handlers. In any other
thread there is no deadline.
"""

import faulthandler
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

GRACE = 10.0  # seconds
STDERR = 2  # the descriptor: sys.stderr may be something else by now


class HandlerTimeout(KeyboardInterrupt):
    """Took longer than its source allows. No ``except Exception`` holds it up, and psycopg, which knows its parent,
    cancels the query that is under way."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise HandlerTimeout in what is inside if it takes longer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGALRM, _ring)
    faulthandler.dump_traceback_later(seconds + GRACE, exit=True, file=STDERR)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:  # the alarm may still go off on the line above: the watchdog must not outlive what it watched
            faulthandler.cancel_dump_traceback_later()
            signal.signal(signal.SIGALRM, before)


def _ring(_signal: int, _frame: FrameType | None) -> None:
    raise HandlerTimeout
