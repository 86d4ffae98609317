"""End a handler that exceeds its time limit: by an exception, and if that fails by ending its process.

A handler may hang in Python, in a query, or in C code that runs no signal handlers. So there are two timers. At the
time limit a signal raises ``HandlerTimeout`` in the handler: the transaction is rolled back, and the receipt has
failed. If the handler still runs ``GRACE`` seconds later (it caught the exception, or is in C code that holds the
interpreter), a watchdog that needs no interpreter writes a traceback to stderr and ends the process: Celery starts
another, and the receipt is due again when its claim expires.

Signals reach the main thread only, where Celery's processes and the command run handlers. Other threads have no limit.
"""

import faulthandler
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

GRACE = 10.0  # seconds from the exception to the end of the process
STDERR = 2  # the file descriptor, because sys.stderr may have been replaced


class HandlerTimeout(KeyboardInterrupt):
    """The handlers exceeded handler_timeout_seconds.

    A KeyboardInterrupt, so that ``except Exception`` does not catch it and psycopg cancels the running query.
    """


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise HandlerTimeout in the context's body after this many seconds."""
    with watchdog(seconds), alarm(seconds):
        yield


@contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """Allow ``alarm`` in the context's body, and end the process ``GRACE`` after this many seconds.

    One watchdog may span several alarms: it starts a thread, which costs more than many a handler.
    """
    if not _has_signals():
        yield
        return
    before = signal.signal(signal.SIGALRM, _raise_timeout)
    faulthandler.dump_traceback_later(seconds + GRACE, exit=True, file=STDERR)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise HandlerTimeout in the context's body after this many seconds. Only within ``watchdog``."""
    if not _has_signals():
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # the alarm may still fire on this line


def _has_signals() -> bool:
    return threading.current_thread() is threading.main_thread()


def _raise_timeout(_signal: int, _frame: FrameType | None) -> None:
    raise HandlerTimeout
