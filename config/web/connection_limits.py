"""Limit connections: how many a client address has, and the size and the time of the heads of their requests.

When the last one is closed, freed memory is returned to the system, now and then: batches of events leave much.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from webhooks.kit.fair.shares import Shares
from webhooks.kit.process.free_memory import return_free_memory

CHECK_EVERY = 1.0  # seconds between two checks of the time limits
FREE_MEMORY_EVERY = 10.0  # seconds at least between two times
HEAD_TIMEOUT = 10.0  # seconds from the first byte of a request, or from connecting, to the end of its headers
MAX_URL = 8 * 1024  # bytes
MAX_HEADERS = 100
MAX_HEAD = 32 * 1024  # bytes of the names and values of all headers
MAX_CONNECTIONS = 16_384  # of a process, if it may open as many files


class TimeLimited(Protocol):
    """A connection with time limits."""

    def check_time(self, now: float) -> None:
        """End the connection if a time limit has passed. ``now`` is the time of the event loop."""


class ConnectionLimits:
    """The open connections, and how many each address has (``shares``).

    ``on_tick``: called when the first connection is opened, and every CHECK_EVERY seconds while any is open.
    """

    def __init__(self) -> None:
        self.open: set[TimeLimited] = set()
        self.shares = Shares("connections", MAX_CONNECTIONS)
        self.on_tick: Callable[[], None] = lambda: None
        self._checked_by: asyncio.AbstractEventLoop | None = None  # in which a check is scheduled
        self._freed_memory_at = 0.0

    def check_times(self, loop: asyncio.AbstractEventLoop) -> None:
        """Check the time limits now and then, as long as there are connections."""
        if self._checked_by is not loop:
            self._checked_by = loop
            self.on_tick()
            loop.call_later(CHECK_EVERY, self._check, loop)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self.open):
            connection.check_time(now)
        self._checked_by = None
        if self.open:
            self.check_times(loop)
        elif now - self._freed_memory_at > FREE_MEMORY_EVERY:
            self._freed_memory_at = now
            return_free_memory()


limits = ConnectionLimits()
