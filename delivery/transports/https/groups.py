"""Group messages of one endpoint that are to be sent in one request. PURE: the clock is passed in.

Messages that are submitted together share requests as far as the destination allows. An endpoint that asks for batches
also waits for more messages, up to a time from the first one.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from uuid import UUID

from delivery.transports.https.kind import HttpsClient
from delivery.transports.in_flight import InFlight
from delivery.transports.message import Message
from subscriptions.routing.targets import DeliveryTarget


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold one message that was prepared, with what sends it.

    ``size``: as the client counts it. ``batch_key``: what the messages of one request have in common.
    """

    message: Message
    target: DeliveryTarget
    client: HttpsClient
    size: int
    batch_key: Hashable = None


@dataclass(slots=True)
class Group:
    """Hold the attempts of one request.

    ``size``: the sum of the sizes of its entries. ``token``: the access token it was sent with; ``is_repeated``: after
    a 401.
    """

    attempts: list[InFlight] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    size: int = 0
    token: str = field(default="", repr=False)
    is_repeated: bool = False
    started: float = 0.0  # monotonic seconds of its first request

    @property
    def target(self) -> DeliveryTarget:
        """Return the endpoint."""
        return self.entries[0].target

    @property
    def client(self) -> HttpsClient:
        """Return what writes the request."""
        return self.entries[0].client

    @property
    def messages(self) -> list[Message]:
        """Return the messages of the request."""
        return [it.message for it in self.entries]

    @property
    def is_full(self) -> bool:
        """Return whether nothing can be added."""
        max_entries, max_bytes = limits(self.entries[-1])
        return len(self.entries) >= max_entries or self.size >= max_bytes

    def fits(self, entry: Entry) -> bool:
        """Return whether an entry can be added."""
        max_entries, max_bytes = limits(entry)
        return len(self.entries) < max_entries and self.size + entry.size <= max_bytes

    def add(self, attempt: InFlight, entry: Entry) -> None:
        """Add an attempt."""
        self.attempts.append(attempt)
        self.entries.append(entry)
        self.size += entry.size


@dataclass(slots=True)
class _Collected:
    """Hold what waits to be sent to one endpoint.

    ``due_at``: when to send all of it, in monotonic seconds. ``closed``: groups that are sent at once, to which nothing
    more can be added; ``open``: the others, by what writes them and their batch key.
    """

    due_at: float
    closed: list[Group] = field(default_factory=list)
    open: dict[tuple[HttpsClient, Hashable], Group] = field(default_factory=dict)

    def add(self, attempt: InFlight, entry: Entry) -> None:
        key = (entry.client, entry.batch_key)
        group = self.open.get(key)
        if group is not None and not group.fits(entry):
            self.closed.append(self.open.pop(key))
            group = None
        if group is None:
            group = self.open[key] = Group()
        group.add(attempt, entry)
        if group.is_full:
            self.closed.append(self.open.pop(key))


class Groups:
    """Collect attempts by endpoint, and return them in groups when they are due."""

    def __init__(self) -> None:
        self._collected: dict[UUID, _Collected] = {}

    def add(self, attempt: InFlight, entry: Entry, now: float) -> None:
        """Collect an attempt at ``now`` (monotonic seconds)."""
        endpoint_id = entry.target.endpoint_id
        collected = self._collected.get(endpoint_id)
        if collected is None:
            window = entry.target.batch.window_seconds if entry.target.batch else 0.0
            collected = self._collected[endpoint_id] = _Collected(now + window)
        collected.add(attempt, entry)

    def next_due_at(self) -> float | None:
        """Return when the next group is due, in monotonic seconds; None: nothing waits."""
        return min((it.due_at for it in self._collected.values()), default=None)

    def take(self, now: float) -> list[Group]:
        """Return the groups that are full, and those that are due at ``now``."""
        taken: list[Group] = []
        for endpoint_id, collected in list(self._collected.items()):
            taken += collected.closed
            collected.closed = []
            if now >= collected.due_at:
                taken += collected.open.values()
            if now >= collected.due_at or not collected.open:
                del self._collected[endpoint_id]
        return taken


def limits(entry: Entry) -> tuple[int, int]:
    """Return how many messages a request may have, and how many bytes: those of the destination and of the endpoint."""
    batch, client = entry.target.batch, entry.client
    if batch is None:
        return client.max_entries, client.max_bytes
    return min(batch.max_events, client.max_entries), min(batch.max_bytes, client.max_bytes)
