"""Limit the attempts and the bytes in flight in one drain, and divide what is free among tenants and lanes.

An endpoint that hangs must not take capacity from the others: attempts older than SLOW_AFTER are not counted against
MAX_FAST_IN_FLIGHT, only against MAX_IN_FLIGHT. A tenant with as many attempts in flight as are left to everybody gets
no more once slow attempts fill that difference.

Bodies of more than LARGE_BODY bytes count against MAX_BODY_BYTES, with a share for each tenant. Smaller ones are
limited by their number, and never wait for large ones of other tenants.
"""

import time
from collections import Counter
from collections.abc import Iterable
from itertools import takewhile
from uuid import UUID

from delivery.sending.lane import LeasedLane
from delivery.sql.claim import LARGE_BODY, BodyAllowance, ClaimRequest

MAX_FAST_IN_FLIGHT = 512  # attempts in flight that are younger than SLOW_AFTER
MAX_IN_FLIGHT = 2_048  # attempts in flight altogether: a limit on memory
SLOW_AFTER = 1.0  # seconds
MAX_BODY_BYTES = 64 * 1024 * 1024  # bytes of large bodies in flight; the one that reaches it may exceed it
IDLE_PROBE = 4  # deliveries requested for a lane that seems empty, so that it cannot take the capacity of a full one


class Capacity:
    """Count the attempts in flight in one drain, by their age."""

    def __init__(self) -> None:
        self._started: dict[UUID, float] = {}  # monotonic seconds by attempt, the oldest first

    def __len__(self) -> int:
        return len(self._started)

    def start(self, attempt_id: UUID) -> None:
        """Count an attempt that starts now."""
        self._started[attempt_id] = time.monotonic()

    def end(self, attempt_id: UUID) -> None:
        """Stop counting an attempt."""
        del self._started[attempt_id]

    def free(self) -> int:
        """Return how many attempts may start now; may be negative."""
        slow_before = time.monotonic() - SLOW_AFTER
        slow = sum(1 for _ in takewhile(lambda started: started < slow_before, self._started.values()))
        return min(MAX_FAST_IN_FLIGHT + slow, MAX_IN_FLIGHT) - len(self._started)

    def saturating_tenants(self, lanes: Iterable[LeasedLane]) -> frozenset[UUID]:
        """Return the tenants that get no more for now: as many attempts in flight as are left to all tenants."""
        if len(self._started) <= MAX_FAST_IN_FLIGHT:
            return frozenset()
        in_flight: Counter[UUID] = Counter()
        for lane in lanes:
            in_flight[lane.target.tenant_id] += lane.in_flight
        left = MAX_IN_FLIGHT - len(self._started)
        return frozenset(tenant for tenant, count in in_flight.items() if count >= left)


class BodyBudget:
    """Count the bytes of the large bodies in flight. ``is_used_up``: some tenant may have to wait for memory."""

    def __init__(self) -> None:
        self._sizes: dict[UUID, tuple[UUID, int]] = {}  # by attempt: tenant and bytes
        self._by_tenant: Counter[UUID] = Counter()
        self._total = 0

    def start(self, attempt_id: UUID, tenant_id: UUID, size: int) -> None:
        """Count the body of an attempt that starts now, if it is large."""
        if size > LARGE_BODY:
            self._sizes[attempt_id] = (tenant_id, size)
            self._by_tenant[tenant_id] += size
            self._total += size

    def end(self, attempt_id: UUID) -> bool:
        """Stop counting the body of an attempt; return whether it was large."""
        tenant_id, size = self._sizes.pop(attempt_id, (None, 0))
        if tenant_id is None:
            return False
        self._total -= size
        self._by_tenant[tenant_id] -= size
        if not self._by_tenant[tenant_id]:
            del self._by_tenant[tenant_id]
        return True

    @property
    def is_used_up(self) -> bool:
        """Whether any tenant has reached its share."""
        left = MAX_BODY_BYTES - self._total
        return any(size >= left for size in self._by_tenant.values())

    def allowance(self) -> BodyAllowance:
        """Return what may be claimed now: a tenant may come to have as much in flight as is then left to all."""
        left = max(MAX_BODY_BYTES - self._total, 0)
        return BodyAllowance(left, {tenant: max(left - size, 0) // 2 for tenant, size in self._by_tenant.items()})


def share_capacity(lanes: list[LeasedLane], capacity: int, now: float) -> list[ClaimRequest]:
    """Divide ``capacity`` attempts: equally among tenants, and each tenant's part equally among its lanes.

    Lanes that seem empty get up to IDLE_PROBE each, of half the capacity at most. Where there is not enough for all
    lanes, one lane of each tenant comes first, then a second of each, and so on.
    """
    able = _interleave_tenants([(lane, free) for lane in lanes if (free := lane.capacity(now)) > 0])[: max(capacity, 0)]
    full = Counter(lane.target.tenant_id for lane, _ in able if lane.may_have_more)
    idle = len(able) - full.total()
    spare = capacity - len(able)  # after one for each lane
    probe = min(IDLE_PROBE - 1, spare // 2 // max(idle, 1))
    part = (spare - probe * idle) // max(len(full), 1)
    return [
        lane.claim_request(min(free, 1 + (part // full[lane.target.tenant_id] if lane.may_have_more else probe)))
        for lane, free in able
    ]


def _interleave_tenants(lanes: list[tuple[LeasedLane, int]]) -> list[tuple[LeasedLane, int]]:
    seen: Counter[UUID] = Counter()
    rounds: list[int] = []
    for lane, _ in lanes:
        tenant = lane.target.tenant_id
        rounds.append(seen[tenant])
        seen[tenant] += 1
    return [lanes[index] for index in sorted(range(len(lanes)), key=rounds.__getitem__)]
