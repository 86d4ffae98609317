"""Share the processes of a worker between slow handlers, other handlers and other tasks.

Of N processes (WAYPOST_DEFAULT_WORKERS) at most N-1 run handlers, so that one is left for replays, retention and the
like. At most N-2 run slow sources, so that one is left for the others; of these a tenant gets half, one at least.
Where the setting is missing (a project without the platform) or a worker has a single process, nothing is limited
beyond that one.

A place is an advisory lock of the session, which the database releases when the process dies.
"""

import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID
from zlib import crc32

from django.conf import settings
from django.db import Error

from webhooks.kit import sql

_LOCKS = 0x7761_7968  # class of the advisory locks
_TAKE = """
    SELECT key FROM unnest(%(keys)s::int[]) AS key WHERE pg_try_advisory_lock(%(locks)s::int, key) LIMIT 1
"""
_RELEASE = "SELECT pg_advisory_unlock(%(locks)s::int, %(key)s::int)"


@contextmanager
def handler_place() -> Iterator[bool]:
    """Take a place to run handlers as long as the context lasts; yield whether there was one."""
    with _place(_worker("handlers"), _processes_for_handlers()) as taken:
        yield taken


@contextmanager
def slow_place(tenant: UUID) -> Iterator[bool]:
    """Take a place to run a slow source of this tenant as long as the context lasts; yield whether there was one."""
    processes = _processes_for_handlers()
    places = None if processes is None else max(1, processes - 1)
    with _place(_worker(f"slow {tenant}"), None if places is None else max(1, places // 2)) as is_within_share:
        if not is_within_share:
            yield False
            return
        with _place(_worker("slow"), places) as taken:
            yield taken


def _processes_for_handlers() -> int | None:
    processes = getattr(settings, "WAYPOST_DEFAULT_WORKERS", None)
    return None if processes is None else max(1, processes - 1)


def _worker(use: str) -> str:
    """Name a use of the processes of this worker, which are children of one process."""
    return f"{socket.gethostname()} {os.getppid()} {use}"


@contextmanager
def _place(name: str, places: int | None) -> Iterator[bool]:
    if places is None:
        yield True
        return
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
