"""Hold deliveries that were claimed before there was a place for them, so that a fast endpoint never waits for a claim.

A held delivery is sent within HOLD_SECONDS of its claim, which lasts that much longer, or the claim is released.
ClaimedAhead keeps and counts; the dispatcher and the drain decide.

Where a lane is in steady use, publishing claims ahead for its drain (PublisherClaims): the statement that stores an
event creates its delivery claimed for the lane's owner, and notifies it. The drain reads the delivery, and sends it
without a claim of its own, whose flush it would wait for. The token of these claims is the drain's own id, which no
other claim has, and each delivery has it only once. See docs/why/lanes.md.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from delivery.sending.capacity import TenantRoom
from delivery.sql.claim import Claimed, find_claims_under, read_claims
from webhooks.kit.sql import Run, run

MAX_HELD = 1_024  # deliveries held by one drain: a limit on memory
READ_AT_ONCE = 256  # claims of publishers read by one statement: with their bodies at most 16 MiB


class Held(NamedTuple):
    """A claimed delivery that is not sent yet, and must not be after ``until`` (monotonic seconds)."""

    claimed: Claimed
    token: UUID
    attempt_id: UUID
    tenant_id: UUID
    until: float


class ClaimedAhead:
    """Keep the held deliveries of one drain by endpoint, the oldest first."""

    def __init__(self) -> None:
        self._held: dict[UUID, deque[Held]] = {}
        self._by_tenant: Counter[UUID] = Counter()
        self._total = 0

    def __len__(self) -> int:
        return self._total

    def __iter__(self) -> Iterator[UUID]:
        """Iterate over the endpoints for which something is held; what is held may change meanwhile."""
        return iter(list(self._held))

    def __contains__(self, endpoint_id: UUID) -> bool:
        return endpoint_id in self._held

    def count(self, endpoint_id: UUID) -> int:
        """Return how many deliveries of an endpoint are held."""
        return len(self._held.get(endpoint_id, ()))

    @property
    def free(self) -> int:
        """Return how many more may be held."""
        return max(MAX_HELD - len(self), 0)

    def room(self) -> TenantRoom:
        """Return how many more each tenant may have held: at most as many as are then left for all tenants."""
        return TenantRoom(self.free, self._by_tenant.__getitem__)

    def claims(self) -> list[tuple[UUID, UUID]]:
        """Return the claims of everything held, each a delivery and a token."""
        return [(it.claimed.id, it.token) for waiting in self._held.values() for it in waiting]

    def add(self, endpoint_id: UUID, held: Sequence[Held]) -> None:
        """Hold deliveries of an endpoint, behind the others of it."""
        if not held:
            return
        waiting = self._held.get(endpoint_id)
        if waiting is None:
            waiting = self._held[endpoint_id] = deque()
        waiting.extend(held)
        self._by_tenant[held[0].tenant_id] += len(held)  # an endpoint has one tenant
        self._total += len(held)

    def pop(self, endpoint_id: UUID, count: int | None = None) -> list[Held]:
        """Remove and return the oldest ``count`` of an endpoint (None: all)."""
        waiting = self._held.get(endpoint_id)
        if waiting is None:
            return []
        if count is None or count >= len(waiting):
            popped = list(self._held.pop(endpoint_id))
        else:
            popped = [waiting.popleft() for _ in range(count)]
        if popped:
            tenant_id = popped[0].tenant_id
            self._total -= len(popped)
            self._by_tenant[tenant_id] -= len(popped)
            if not self._by_tenant[tenant_id]:
                del self._by_tenant[tenant_id]
        return popped

    def pop_late(self, now: float) -> list[Held]:
        """Remove and return what must not be sent any more at ``now`` (monotonic seconds)."""
        late = {key: sum(it.until <= now for it in waiting) for key, waiting in self._held.items()}
        return [it for key, count in late.items() if count for it in self.pop(key, count)]

    def pop_others(self, claims: set[tuple[UUID, UUID]]) -> list[Held]:
        """Remove and return what is not held under one of these claims, each a delivery and a token."""
        others: list[Held] = []
        for key in self:
            held = self.pop(key)
            self.add(key, [it for it in held if (it.claimed.id, it.token) in claims])
            others += [it for it in held if (it.claimed.id, it.token) not in claims]
        return others


Hold = Callable[[Iterable[tuple[Claimed, float]], UUID, float], None]


class PublisherClaims:
    """Track the deliveries that publishers have claimed for one drain, until they are settled or released.

    ``hold`` is called with the claims that were read, each with the seconds it lasts, with their token, and with the
    time of the reading in monotonic seconds. A notification may be lost with the connection that listens, so a drain
    that connects again looks for claims under its id that it does not know.
    """

    def __init__(self, owner: UUID, hold: Hold) -> None:
        self._owner = owner
        self._hold = hold
        self._named: set[UUID] = set()  # deliveries that notifications named and that are not read yet
        self._known: set[UUID] = set()  # deliveries that were read, and are neither settled nor released
        self._may_have_missed = False

    @property
    def are_waiting(self) -> bool:
        """Whether there is something to read."""
        return bool(self._named) or self._may_have_missed

    def on_notified(self, delivery_ids: Iterable[UUID]) -> None:
        """Record that these deliveries were claimed for the drain."""
        self._named.update(delivery_ids)

    def on_missed(self) -> None:
        """Record that notifications may have been lost."""
        self._may_have_missed = True

    def read(self, run: Run = run) -> int:
        """Pass what publishers have claimed for the drain since the last call to ``hold``; return how many.

        At most READ_AT_ONCE. What was found after a reconnection is passed once, also if it is notified later.
        """
        if self._may_have_missed:
            self._named |= find_claims_under(self._owner, run)
            self._may_have_missed = False
        self._named -= self._known
        if not self._named:
            return 0
        asked_at = time.monotonic()
        named = list(islice(self._named, READ_AT_ONCE))
        claims = read_claims(self._owner, named, run)
        self._named.difference_update(named)  # others may have been named meanwhile
        self._known.update(it.id for it, _ in claims)
        self._hold(claims, self._owner, asked_at)
        return len(claims)

    def end(self, delivery_ids: Iterable[UUID]) -> None:
        """Forget deliveries that are settled, or whose claims were released or ended by others."""
        if self._known:
            self._known.difference_update(delivery_ids)
