"""Define handlers for workers in other processes, which import them by dotted path."""

import os
import signal
import time

from django.db import connection

from webhooks.models import Receipt


def mark(receipt: Receipt) -> None:
    """Insert a row for each run, without a constraint that could hide a second run."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO journey_marks VALUES (%s)", [receipt.message_id])


def kill(receipt: Receipt) -> None:
    """Kill the process, as the kernel does when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


def leave(receipt: Receipt) -> None:
    """Exit the process, as a badly behaved library does."""
    os._exit(3)


def hang(receipt: Receipt) -> None:
    """Never return."""
    while True:
        time.sleep(60)


def fail(receipt: Receipt) -> None:
    """Fail."""
    raise RuntimeError("no")
