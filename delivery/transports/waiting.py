"""Wait in one thread for the database, the endpoints and notifications, and go on sending meanwhile.

A drain has one thread. While the server works on a statement of it, its transports send and receive: a slow database
does not make a response look late, and no thread waits for another one.
"""

import select
import time
from collections.abc import Callable, Generator, Mapping
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
    busy, so that responses gather for GATHER_MS. ``receive`` is called during a statement when there is a notification,
    unless the drain is busy or has set ``receives`` to False. ``stop_descriptor``: readable once the drain is to stop;
    negative: there is none.
    """

    def __init__(
        self, transports: Transports, progress: Callable[[], None], listener: HasDescriptor, receive: Callable[[], None]
    ) -> None:
        self.blocked = 0.0
        self.gathers = False
        self.receives = True
        self.stop_descriptor = -1
        self._listener = listener
        self._receive = receive
        self._transports = transports
        self._progress = progress

    def for_statement(self, steps: Generator[Any, Any, Any], descriptor: int) -> Any:
        """Run the steps of a statement, for ``webhooks.kit.sql.wait_with``.

        An error of ``progress`` or ``receive`` comes after it.
        """
        error: Exception | None = None
        try:
            wanted = next(steps)
            while True:
                listener = self._listener.fileno() if self.receives and not self.gathers else -1
                found = self._poll({descriptor: EVENTS[wanted], listener: select.POLLIN}, LONGEST)
                ready = found.get(descriptor, 0)
                if ready & select.POLLNVAL:
                    raise psycopg.OperationalError("the connection is closed")
                if error is None:
                    try:
                        if listener in found:
                            self._receive()
                        self._progress()
                    except Exception as raised:
                        error = raised
                if ready:
                    wanted = steps.send(_ready(ready, wanted))
        except StopIteration as ended:
            if error is not None:
                raise error from None
            return ended.value

    def for_events(self, seconds: float, *, notified: bool = False) -> bool:
        """Wait until a transport can go on, at most so long; with ``notified`` also until a notification or a stop.

        Return whether there is a notification or a stop.
        """
        watched = {self._listener.fileno(), self.stop_descriptor} if notified else set()
        began = time.monotonic()
        found = self._poll(dict.fromkeys(watched, select.POLLIN), seconds)
        self.blocked += time.monotonic() - began
        return not watched.isdisjoint(found)

    def _poll(self, descriptors: Mapping[int, int], seconds: float) -> dict[int, int]:
        """Wait for these events of descriptors, of which negative ones do not count, and for the transports."""
        poll = select.poll()
        for descriptor, events in descriptors.items():
            if descriptor >= 0:
                poll.register(descriptor, events)
        seconds = self._transports.seconds_to_timer(seconds)
        if self.gathers and seconds * 1000 > GATHER_MS and (ready := poll.poll(GATHER_MS)):
            return dict(ready)
        for transport in self._transports:
            poll.register(transport, select.POLLIN)
        return dict(poll.poll(seconds * 1000))


def _ready(events: int, wanted: Wait) -> int:
    """Translate events of poll() to psycopg's flags; after an error those wanted, so that reading or writing fails."""
    ready = (1 if events & select.POLLIN else 0) | (2 if events & select.POLLOUT else 0)
    return ready or int(wanted)
