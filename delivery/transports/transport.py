"""Define the seam between the drain and the ways to send: what a transport has to do.

A drain opens one transport of each kind it needs and calls it from one thread:

1. ``prepare`` for each claimed delivery, which builds what will be sent;
2. ``submit`` with what was prepared, which starts the attempts;
3. ``advance`` whenever ``fileno`` is readable or ``seconds_to_timer`` is over, also while a statement runs;
4. ``take``, which returns the attempts that have ended;
5. ``maintain`` between two statements, where the transport may use the database itself.

None of them waits for a destination, and only ``maintain`` may use the database. A failure of a destination is an
``Outcome``; an exception is an error of ours and ends the drain.
"""

from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from delivery.sql.claim import Claimed
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from subscriptions.routing.targets import DeliveryTarget

Prepared = TypeVar("Prepared")  # what a transport submits: its own type, opaque to the drain


class NotSent(NamedTuple):
    """Say why a delivery cannot be sent: the failure to record, and the exception if it was an error of ours.

    ``rejected``: the destination works, and would not accept this delivery; ``detail`` says why. ``is_final``: no retry
    can deliver it.
    """

    failure: Failure
    error: Exception | None = None
    rejected: bool = False
    detail: str = ""
    is_final: bool = False


class Transport(Protocol, Generic[Prepared]):
    """Send attempts to one kind of destination."""

    def prepare(self, claimed: Claimed, target: DeliveryTarget, now: float) -> Prepared | NotSent:
        """Build what is sent for this delivery at ``now`` (unix seconds), without any I/O.

        Returns NotSent where the endpoint lacks something (a secret, credentials, an address that may be called) or
        building failed: one delivery that cannot be built must not stop the others of its batch.
        """

    def submit(self, attempts: Sequence[tuple[InFlight, Prepared]]) -> None:
        """Start these attempts. The timeout of each (``target.timeout_ms``) runs from here."""

    def advance(self) -> None:
        """Send and receive what is possible without waiting. Raises nothing: ``take`` does."""

    def take(self) -> list[tuple[InFlight, Outcome]]:
        """Return every attempt that has ended since the last call, each exactly once. Does no I/O.

        Every submitted attempt ends, at the latest by its timeout. The transport sets what the outcome means:
        ``failure`` (None: delivered), ``gone``, ``overloaded`` and ``retry_after``.
        """

    def maintain(self) -> None:
        """Do what needs the database."""

    def fileno(self) -> int:
        """Return a descriptor that is readable while ``advance`` has something to do."""

    def seconds_to_timer(self) -> float | None:
        """Return after how many seconds ``advance``, ``take`` or ``maintain`` has something to do in any case."""

    def close(self) -> None:
        """Abandon what is still in flight and free everything."""
