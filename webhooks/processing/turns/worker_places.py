"""Share the processes of a worker between slow handlers, other handlers and other tasks.

Of N processes (WAYPOST_DEFAULT_WORKERS) at most N-1 run handlers, so that one is left for replays, retention and the
like. At most N-1-S run slow sources, where S is the number of those that may work in slices for seconds
(``webhooks.kit.fair.worker_places``); of these a tenant gets half, but at least one. Where the setting is missing (a
project without the platform) nothing is limited, and a worker with a single process runs everything in it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from webhooks.kit.fair.worker_places import processes, slice_places, worker_place


@contextmanager
def handler_place() -> Iterator[bool]:
    """Take a place to run handlers as long as the context lasts; yield whether there was one."""
    number = processes()
    with worker_place("handlers", None if number is None else max(1, number - 1)) as is_free:
        yield is_free


@contextmanager
def slow_place(tenant: UUID) -> Iterator[bool]:
    """Take a place to run a slow source of this tenant as long as the context lasts; yield whether there was one."""
    number, slices = processes(), slice_places()
    places = None if number is None or slices is None else max(1, number - 1 - slices)
    with worker_place(f"slow {tenant}", None if places is None else max(1, places // 2)) as is_within_share:
        if not is_within_share:
            yield False
            return
        with worker_place("slow", places) as is_free:
            yield is_free
