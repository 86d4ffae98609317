"""List the kinds of destinations, and open a transport for each kind that a drain needs."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from delivery.sql.claim import Claimed
from delivery.transports.http import oauth_sender
from delivery.transports.https import transport as https
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.sockets import transport as sockets
from delivery.transports.transport import NotSent, Transport
from subscriptions.endpoints.destinations.registry import find_kind
from subscriptions.routing.targets import HTTP_BATCH, DeliveryTarget

# The function that opens a transport, given the clock (unix seconds).
Open = Callable[[Callable[[], float]], Transport[Any]]

# Kind of an endpoint: its transport. Every other kind has one of ENGINES, named by the kind itself.
TRANSPORTS: dict[str, Open] = {
    "http": oauth_sender.open_transport,
}
ENGINES: dict[str, Open] = {
    "https": https.open_transport,
    "sockets": sockets.open_transport,
}


def engine_of(kind: str) -> str:
    """Return the name of the engine of a kind. Raises KeyError, and ModuleNotFoundError if it cannot be imported."""
    return "https" if kind == HTTP_BATCH else find_kind(kind).engine


class Transports:
    """Route the attempts of one drain to the transports of their kinds; each is opened when it is first needed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._by_kind: dict[str, Transport[Any]] = {}
        self._by_engine: dict[str, Transport[Any]] = {}
        self._open: list[Transport[Any]] = []

    def __iter__(self) -> Iterator[Transport[Any]]:
        return iter(self._open)

    def prepare(self, claimed: Claimed, target: DeliveryTarget, now: float) -> Any | NotSent:
        """Prepare with the transport of the endpoint's kind. An exception while it does ends this delivery only."""
        transport = self._by_kind.get(target.kind)
        try:
            if transport is None:
                transport = self._by_kind[target.kind] = self._opened(target.kind)
            return transport.prepare(claimed, target, now)
        except Exception as error:
            return NotSent(Failure.INTERNAL, error)

    def _opened(self, kind: str) -> Transport[Any]:
        """Return the transport of a kind: kinds with the same engine share it. Raises LookupError, ImportError."""
        if kind in TRANSPORTS:
            transport = TRANSPORTS[kind](self._clock)
            self._open.append(transport)
            return transport
        engine = engine_of(kind)
        if engine not in self._by_engine:
            self._by_engine[engine] = ENGINES[engine](self._clock)
            self._open.append(self._by_engine[engine])
        return self._by_engine[engine]

    def submit(self, attempts: Sequence[tuple[InFlight, Any]]) -> None:
        """Start these attempts, each transport's in one batch."""
        batches: dict[str, list[tuple[InFlight, Any]]] = {}
        for attempt in attempts:
            batches.setdefault(attempt[0].kind, []).append(attempt)
        for kind, batch in batches.items():
            self._by_kind[kind].submit(batch)

    def advance(self) -> None:
        """Have all open transports send and receive what is possible without waiting."""
        for transport in self._open:
            transport.advance()

    def take(self) -> list[tuple[InFlight, Outcome]]:
        """Return the attempts that have ended in all open transports since the last call."""
        return [ended for transport in self._open for ended in transport.take()]

    def maintain(self) -> None:
        """Have them do what needs the database."""
        for transport in self._open:
            transport.maintain()

    def seconds_to_timer(self, at_most: float) -> float:
        """Return after how many seconds one of them has something to do in any case, if that is less."""
        timers = [transport.seconds_to_timer() for transport in self._open]
        return min([at_most, *(it for it in timers if it is not None)])

    def close(self) -> None:
        """Close all of them."""
        for transport in self._open:
            transport.close()
