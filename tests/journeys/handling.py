"""Handlers for workers that are processes of their own: they name these by dotted path."""

import os
import signal
import time

from django.db import connection

from webhooks.models import Receipt


def mark(receipt: Receipt) -> None:
    """A row for each time this is done, without a constraint that could hide a second."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO journey_marks VALUES (%s)", [receipt.message_id])


def kill(receipt: Receipt) -> None:
    """End the process, as the kernel does when memory is out."""
    os.kill(os.getpid(), signal.SIGKILL)


def leave(receipt: Receipt) -> None:
    """End the process, as a library does that knows no better."""
    os._exit(3)


def hang(receipt: Receipt) -> None:
    """Never come back."""
    while True:
        time.sleep(60)


def fail(receipt: Receipt) -> None:
    raise RuntimeError("no")
