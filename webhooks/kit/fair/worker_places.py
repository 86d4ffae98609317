"""Share the processes of a worker between the tasks that could occupy all of them.

Of N processes (WAYPOST_DEFAULT_WORKERS) some may do a certain kind of work at the same time, and the others are left
for everything else. A place is an advisory lock of the session, which the database releases when the process dies.

Used for handlers (``webhooks.processing``), and for fan-outs and replays, which work in slices (``delivery``).
"""

import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

from django.conf import settings
from django.db import Error

from webhooks.kit import sql

_LOCKS = 0x7761_7968  # class of the advisory locks
_TAKE = """
    SELECT key FROM unnest(%(keys)s::int[]) AS key WHERE pg_try_advisory_lock(%(locks)s::int, key) LIMIT 1
"""
_RELEASE = "SELECT pg_advisory_unlock(%(locks)s::int, %(key)s::int)"


def processes() -> int | None:
    """Return how many processes a worker has; None in a project without the setting, where nothing is limited."""
    number: int | None = settings.WAYPOST_DEFAULT_WORKERS
    return number


def slice_places() -> int | None:
    """Return how many processes may work in slices: WAYPOST_FAN_OUT_WORKERS, at most all but two, at least one."""
    number = processes()
    return None if number is None else min(settings.WAYPOST_FAN_OUT_WORKERS, max(1, number - 2))


@contextmanager
def slice_place() -> Iterator[bool]:
    """Take a place to work in slices as long as the context lasts; yield whether there was one."""
    with worker_place("slices", slice_places()) as is_free:
        yield is_free


@contextmanager
def worker_place(use: str, places: int | None) -> Iterator[bool]:
    """Take one of the ``places`` for a use while the context lasts (None: no limit); yield whether one was free.

    The places are those of this worker, whose processes are children of one process.
    """
    if places is None:
        yield True
        return
    name = f"{socket.gethostname()} {os.getppid()} {use}"
    keys = [_signed(crc32(f"{name} {number}".encode())) for number in range(places)]
    random.shuffle(keys)
    taken = sql.run(_TAKE, {"keys": keys, "locks": _LOCKS})
    try:
        yield bool(taken)
    finally:
        if taken:
            _release(taken[0][0])


def _release(key: int) -> None:
    try:
        sql.run(_RELEASE, {"locks": _LOCKS, "key": key})
    except Error:  # the session has ended, and its locks with it
        pass


def _signed(number: int) -> int:
    return number - 2**32 if number >= 2**31 else number
