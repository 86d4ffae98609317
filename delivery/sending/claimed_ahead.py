"""Hold deliveries that were claimed before there was a place for them, so that a fast endpoint never waits for a claim.

What is held has not been sent. It is sent within HOLD_SECONDS of its claim, which lasts so much longer, or its claim is
released. ClaimedAhead keeps and counts; the dispatcher and the drain decide.
"""

from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from delivery.sending.capacity import TenantRoom
from delivery.sql.claim import Claimed

HOLD_SECONDS = 2.0  # seconds from the claim within which what is held has to be sent
MAX_HELD = 1_024  # deliveries held by one drain: a limit on memory


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

    def __len__(self) -> int:
        return self._by_tenant.total()

    def __iter__(self) -> Iterator[UUID]:
        """Iterate over the endpoints for which something is held; what is held may change meanwhile."""
        return iter(list(self._held))

    def count(self, endpoint_id: UUID) -> int:
        """Return how many deliveries of an endpoint are held."""
        return len(self._held.get(endpoint_id, ()))

    @property
    def free(self) -> int:
        """Return how many more may be held."""
        return max(MAX_HELD - len(self), 0)

    def room(self) -> TenantRoom:
        """Return how many more each tenant may have held: afterwards no more than is then left to all."""
        return TenantRoom(self.free, self._by_tenant)

    def claims(self) -> list[tuple[UUID, UUID]]:
        """Return the claims of everything held, each a delivery and a token."""
        return [(it.claimed.id, it.token) for waiting in self._held.values() for it in waiting]

    def add(self, held: Held) -> None:
        """Hold a delivery, behind the others of its endpoint."""
        self._held.setdefault(held.claimed.endpoint_id, deque()).append(held)
        self._by_tenant[held.tenant_id] += 1

    def pop(self, endpoint_id: UUID, count: int | None = None) -> list[Held]:
        """Remove and return the oldest ``count`` of an endpoint (None: all)."""
        waiting = self._held.get(endpoint_id, deque())
        popped = [waiting.popleft() for _ in range(len(waiting) if count is None else min(count, len(waiting)))]
        for it in popped:
            self._by_tenant[it.tenant_id] -= 1
        self._by_tenant = +self._by_tenant if not waiting else self._by_tenant
        if not waiting:
            self._held.pop(endpoint_id, None)
        return popped

    def pop_late(self, now: float) -> list[Held]:
        """Remove and return what must not be sent any more at ``now`` (monotonic seconds)."""
        late = {key: sum(it.until <= now for it in waiting) for key, waiting in self._held.items()}
        return [it for key, count in late.items() if count for it in self.pop(key, count)]

    def pop_others(self, claims: set[tuple[UUID, UUID]]) -> list[Held]:
        """Remove and return what is not held under one of these claims, each a delivery and a token."""
        others: list[Held] = []
        for key in self:
            for it in self.pop(key):
                if (it.claimed.id, it.token) in claims:
                    self.add(it)
                else:
                    others.append(it)
        return others
