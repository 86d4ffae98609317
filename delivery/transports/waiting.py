"""Wait in one thread for the database, the endpoints and notifications, and go on sending meanwhile.

A drain has one thread. While the server works on a statement of it, its transports send and receive: a slow database
does not make a response look late, and no thread waits for another one.
"""

import select
import time
from collections.abc import Callable, Generator
from typing import Any, Protocol

import psycopg
from psycopg.waiting import Wait

from delivery.transports.registry import Transports

LONGEST = 0.25  # seconds until the timers of the transports are looked at again
GATHER_MS = 1  # milliseconds in which a busy drain lets responses gather, so that it handles many at a time
EVENTS = {Wait.R: select.POLLIN, Wait.W: select.POLLOUT, Wait.RW: select.POLLIN | select.POLLOUT}


class HasDescriptor(Protocol):
    """Have a descriptor to wait for."""

    def fileno(self) -> int:
        """Return the descriptor; negative: there is none for now."""


class Waiting:
    """Wait for descriptors beside those of the transports, calling ``progress`` whenever a transport can go on.

    ``blocked``: seconds for which nothing could be done, without those in statements. ``gathers``: whether the drain is
    busy, so that responses gather for GATHER_MS.
    """

    def __init__(self, transports: Transports, progress: Callable[[], None]) -> None:
        self.blocked = 0.0
        self.gathers = False
        self._transports = transports
        self._progress = progress

    def for_statement(self, steps: Generator[Any, Any, Any], descriptor: int) -> Any:
        """Run the steps of a statement, for ``webhooks.kit.sql.wait_with``. An error of ``progress`` comes after it."""
        error: Exception | None = None
        try:
            wanted = next(steps)
            while True:
                ready = self._poll(descriptor, EVENTS[wanted], LONGEST)
                if ready & select.POLLNVAL:
                    raise psycopg.OperationalError("the connection is closed")
                if error is None:
                    try:
                        self._progress()
                    except Exception as raised:
                        error = raised
                if ready:
                    wanted = steps.send(_ready(ready, wanted))
        except StopIteration as ended:
            if error is not None:
                raise error from None
            return ended.value

    def for_events(self, seconds: float, listener: HasDescriptor | None = None) -> bool:
        """Wait until a transport can go on, at most so long; return whether the listener is readable."""
        began = time.monotonic()
        ready = self._poll(listener.fileno() if listener is not None else -1, select.POLLIN, seconds)
        self.blocked += time.monotonic() - began
        return bool(ready)

    def _poll(self, descriptor: int, events: int, seconds: float) -> int:
        poll = select.poll()
        if descriptor >= 0:
            poll.register(descriptor, events)
        seconds = self._transports.seconds_to_timer(seconds)
        if self.gathers and seconds * 1000 > GATHER_MS and (ready := poll.poll(GATHER_MS)):
            return ready[0][1]
        for transport in self._transports:
            poll.register(transport, select.POLLIN)
        return dict(poll.poll(seconds * 1000)).get(descriptor, 0)


def _ready(events: int, wanted: Wait) -> int:
    """Translate events of poll() to psycopg's flags; after an error those wanted, so that reading or writing fails."""
    ready = (1 if events & select.POLLIN else 0) | (2 if events & select.POLLOUT else 0)
    return ready or int(wanted)
