"""List the kinds of destinations, and open a transport for each kind that a drain needs."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from delivery.sql.claim import Claimed
from delivery.transports.http import oauth_sender
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.transport import NotSent, Transport
from subscriptions.routing.targets import DeliveryTarget

# Kind of an endpoint: the function that opens its transport, given the clock (unix seconds).
TRANSPORTS: dict[str, Callable[[Callable[[], float]], Transport[Any]]] = {
    "http": oauth_sender.open_transport,
}


class Transports:
    """Route the attempts of one drain to the transports of their kinds; each is opened when it is first needed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: dict[str, Transport[Any]] = {}

    def __iter__(self) -> Iterator[Transport[Any]]:
        return iter(self._open.values())

    def prepare(self, claimed: Claimed, target: DeliveryTarget, now: float) -> Any | NotSent:
        """Prepare with the transport of the endpoint's kind. An exception while it does ends this delivery only."""
        transport = self._open.get(target.kind)
        if transport is None:
            if target.kind not in TRANSPORTS:
                return NotSent(Failure.INTERNAL, LookupError(f"no transport of the kind {target.kind!r}"))
            transport = self._open[target.kind] = TRANSPORTS[target.kind](self._clock)
        try:
            return transport.prepare(claimed, target, now)
        except Exception as error:
            return NotSent(Failure.INTERNAL, error)

    def submit(self, attempts: Sequence[tuple[InFlight, Any]]) -> None:
        """Start these attempts, each transport's in one batch."""
        batches: dict[str, list[tuple[InFlight, Any]]] = {}
        for attempt in attempts:
            batches.setdefault(attempt[0].kind, []).append(attempt)
        for kind, batch in batches.items():
            self._open[kind].submit(batch)

    def advance(self) -> None:
        """Have all open transports send and receive what is possible without waiting."""
        for transport in self._open.values():
            transport.advance()

    def take(self) -> list[tuple[InFlight, Outcome]]:
        """Return the attempts that have ended in all open transports since the last call."""
        return [ended for transport in self._open.values() for ended in transport.take()]

    def maintain(self) -> None:
        """Have them do what needs the database."""
        for transport in self._open.values():
            transport.maintain()

    def seconds_to_timer(self, at_most: float) -> float:
        """Return after how many seconds one of them has something to do in any case, if that is less."""
        timers = [transport.seconds_to_timer() for transport in self._open.values()]
        return min([at_most, *(it for it in timers if it is not None)])

    def close(self) -> None:
        """Close all of them."""
        for transport in self._open.values():
            transport.close()
