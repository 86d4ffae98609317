"""List the kinds of destinations, and open a transport for each kind that a drain needs."""

from collections.abc import Callable, Iterator
from typing import Any

from delivery.transports.http import oauth_sender
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Outcome
from delivery.transports.transport import Transport

__all__ = ["TRANSPORTS", "Transports"]

# Kind of an endpoint: the function that opens its transport, given the clock (unix seconds).
TRANSPORTS: dict[str, Callable[[Callable[[], float]], Transport[Any]]] = {
    "http": oauth_sender.open_transport,
}


class Transports:
    """Hold the open transports of one drain by kind; each is opened when the first delivery of its kind is sent."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: dict[str, Transport[Any]] = {}

    def __iter__(self) -> Iterator[Transport[Any]]:
        return iter(self._open.values())

    def of(self, kind: str) -> Transport[Any]:
        """Return the transport of this kind. Raises KeyError for a kind that is not listed in TRANSPORTS."""
        transport = self._open.get(kind)
        if transport is None:
            transport = self._open[kind] = TRANSPORTS[kind](self._clock)
        return transport

    def take(self) -> list[tuple[InFlight, Outcome]]:
        """Return the attempts that have ended in all open transports since the last call."""
        return [ended for transport in self._open.values() for ended in transport.take()]

    def close(self) -> None:
        """Close all of them."""
        for transport in self._open.values():
            transport.close()
