"""Group messages of one endpoint that are to be sent in one request. PURE: the clock is passed in.

Messages that are submitted together share requests as far as the destination allows. An endpoint that asks for batches
also waits for more messages, up to a time from the first one.
"""

from dataclasses import dataclass, field
from uuid import UUID

from delivery.transports.https.kind import HttpsClient
from delivery.transports.in_flight import InFlight
from delivery.transports.message import Message
from subscriptions.routing.targets import DeliveryTarget


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold one message that was prepared, with what sends it. ``size``: as the client counts it."""

    message: Message
    target: DeliveryTarget
    client: HttpsClient
    size: int


@dataclass(slots=True)
class Group:
    """Hold the attempts of one request. ``token``: the access token it was sent with; ``is_repeated``: after a 401."""

    attempts: list[InFlight]
    entries: list[Entry]
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


@dataclass(slots=True)
class _Collected:
    """Hold what waits to be sent to one endpoint. ``due_at``: when to send it, in monotonic seconds."""

    due_at: float
    waiting: list[tuple[InFlight, Entry]] = field(default_factory=list)


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
        collected.waiting.append((attempt, entry))

    def next_due_at(self) -> float | None:
        """Return when the next group is due, in monotonic seconds; None: nothing waits."""
        return min((it.due_at for it in self._collected.values()), default=None)

    def take(self, now: float) -> list[Group]:
        """Return the groups that are full, and those that are due at ``now``."""
        taken: list[Group] = []
        for endpoint_id, collected in list(self._collected.items()):
            groups = _divided(collected.waiting)
            if now < collected.due_at and not _is_full(groups[-1]):
                last = groups.pop()
                collected.waiting = list(zip(last.attempts, last.entries, strict=True))
            else:
                del self._collected[endpoint_id]
            taken += groups
        return taken


def limits(entry: Entry) -> tuple[int, int]:
    """Return how many messages a request may have, and how many bytes: those of the destination and of the endpoint."""
    batch, client = entry.target.batch, entry.client
    if batch is None:
        return client.max_entries, client.max_bytes
    return min(batch.max_events, client.max_entries), min(batch.max_bytes, client.max_bytes)


def _divided(waiting: list[tuple[InFlight, Entry]]) -> list[Group]:
    groups: list[Group] = []
    count = size = 0
    client: HttpsClient | None = None
    for attempt, entry in waiting:
        max_entries, max_bytes = limits(entry)
        if not groups or entry.client is not client or count >= max_entries or size + entry.size > max_bytes:
            groups.append(Group([], []))
            client, count, size = entry.client, 0, 0
        groups[-1].attempts.append(attempt)
        groups[-1].entries.append(entry)
        count, size = count + 1, size + entry.size
    return groups


def _is_full(group: Group) -> bool:
    max_entries, max_bytes = limits(group.entries[-1])
    return len(group.entries) >= max_entries or sum(it.size for it in group.entries) >= max_bytes
