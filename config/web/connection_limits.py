"""Count the connections of this process by client address, and check their time limits."""

import asyncio
from typing import Protocol

from webhooks.kit.fair.shares import Shares

CHECK_EVERY = 1.0  # seconds between two checks of the time limits
MAX_CONNECTIONS = 16_384  # of a process, if it may open so many files


class TimeLimited(Protocol):
    """A connection with time limits."""

    def check_time(self, now: float) -> None:
        """End the connection if a time limit has passed. ``now`` is the time of the event loop."""


class ConnectionLimits:
    """The open connections, and how many each address has (``shares``)."""

    def __init__(self) -> None:
        self.open: set[TimeLimited] = set()
        self.shares = Shares("connections", MAX_CONNECTIONS)
        self._checked_by: asyncio.AbstractEventLoop | None = None  # in which a check is scheduled

    def check_times(self, loop: asyncio.AbstractEventLoop) -> None:
        """Check the time limits now and then, as long as there are connections."""
        if self._checked_by is not loop:
            self._checked_by = loop
            loop.call_later(CHECK_EVERY, self._check, loop)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self.open):
            connection.check_time(now)
        self._checked_by = None
        if self.open:
            self.check_times(loop)


limits = ConnectionLimits()
