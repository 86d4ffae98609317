"""Limit the attempts and the bytes in flight in one drain, and divide what is free among tenants and lanes.

An endpoint that hangs must not take capacity from the others: attempts older than SLOW_AFTER are not counted against
MAX_FAST_IN_FLIGHT, only against MAX_IN_FLIGHT. Of either, a tenant may have as much as is left to everybody: alone half
of it, a second tenant a quarter, and so on, so that the next one always finds something.

Bodies of more than LARGE_BODY bytes count against MAX_BODY_BYTES, with a share for each tenant. Smaller ones are
limited by their number, and never wait for large ones of other tenants.
"""

import time
from collections import Counter
from collections.abc import Callable
from itertools import takewhile
from typing import NamedTuple
from uuid import UUID

from delivery.lanes.lane import LeasedLane
from delivery.sql.claim import LARGE_BODY, BodyAllowance
from webhooks.kit.fair.shares import fair_part

MAX_FAST_IN_FLIGHT = 1_024  # attempts in flight that are younger than SLOW_AFTER; a single tenant gets half of them
MAX_IN_FLIGHT = 2_048  # attempts in flight altogether: a limit on memory
SLOW_AFTER = 1.0  # seconds
REDUCED_FOR = 5.0  # seconds with fewer attempts after the process has run out of files or memory
MAX_BODY_BYTES = 64 * 1024 * 1024  # bytes of large bodies in flight; the one that reaches it may exceed it
IDLE_PROBE = 4  # deliveries requested for a lane that seems empty, so that it cannot take the capacity of a full one


class _Tenant:
    """Count the attempts of one tenant in flight, by their age."""

    __slots__ = ("fast", "id", "slow")

    def __init__(self, tenant_id: UUID) -> None:
        self.id = tenant_id
        self.fast = self.slow = 0


class Capacity:
    """Count the attempts in flight in one drain, by their age.

    ``max_attempts``: how many the transports can have in flight; None: no limit of theirs.
    """

    def __init__(self, max_attempts: int | None = None) -> None:
        # By attempt, as integers, since hashing UUIDs is slow: start in monotonic seconds and tenant, the oldest first.
        self._fast: dict[int, tuple[float, _Tenant]] = {}
        self._slow: dict[int, _Tenant] = {}
        self._tenants: dict[UUID, _Tenant] = {}  # those with attempts in flight
        self._max_attempts = max_attempts
        self._reduced_to: int | None = None
        self._reduced_until = 0.0

    @property
    def most(self) -> int:
        """Return how many attempts may be in flight altogether."""
        limits = [MAX_IN_FLIGHT, self._max_attempts]
        if time.monotonic() < self._reduced_until:
            limits.append(self._reduced_to)
        return min(it for it in limits if it is not None)

    @property
    def most_fast(self) -> int:
        """Return how many of them may be younger than SLOW_AFTER, so that hanging ones leave room."""
        if self.most == MAX_IN_FLIGHT:
            return MAX_FAST_IN_FLIGHT
        return min(MAX_FAST_IN_FLIGHT, max(self.most // 4, 1))

    def reduce(self) -> None:
        """Allow fewer attempts than are in flight now for a while: the process has run out of something."""
        self._reduced_to = max(len(self) * 3 // 4, 1)
        self._reduced_until = time.monotonic() + REDUCED_FOR

    def __len__(self) -> int:
        return len(self._fast) + len(self._slow)

    def start(self, attempt_id: UUID, tenant_id: UUID) -> None:
        """Count an attempt that starts now."""
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            tenant = self._tenants[tenant_id] = _Tenant(tenant_id)
        tenant.fast += 1
        self._fast[attempt_id.int] = (time.monotonic(), tenant)

    def end(self, attempt_id: UUID) -> None:
        """Stop counting an attempt."""
        if (fast := self._fast.pop(attempt_id.int, None)) is not None:
            tenant = fast[1]
            tenant.fast -= 1
        else:
            tenant = self._slow.pop(attempt_id.int)
            tenant.slow -= 1
        if not (tenant.fast or tenant.slow):
            del self._tenants[tenant.id]

    def free(self) -> int:
        """Return how many attempts may start now; may be negative."""
        self._find_slow()
        return min(self.most_fast - len(self._fast), self.most - len(self))

    def room(self, free: int) -> "TenantRoom":
        """Return how many of ``free`` attempts each tenant may start."""
        return TenantRoom(free, self._count_fast)

    def saturating_tenants(self) -> frozenset[UUID]:
        """Return the tenants that get no more for now: as many attempts in flight as are left to all tenants."""
        if len(self) < self.most_fast:
            return frozenset()
        left = self.most - len(self)
        return frozenset(it.id for it in self._tenants.values() if not fair_part(left, it.fast + it.slow))

    def _count_fast(self, tenant_id: UUID) -> int:
        tenant = self._tenants.get(tenant_id)
        return tenant.fast if tenant is not None else 0

    def _find_slow(self) -> None:
        slow_before = time.monotonic() - SLOW_AFTER
        for attempt_id, (_, tenant) in [*takewhile(lambda it: it[1][0] < slow_before, self._fast.items())]:
            del self._fast[attempt_id]
            self._slow[attempt_id] = tenant
            tenant.fast -= 1
            tenant.slow += 1


class TenantRoom:
    """Count down how many attempts each tenant may start in one turn: it may have as many as are left to the others."""

    def __init__(self, free: int, in_flight: Callable[[UUID], int] = lambda _: 0) -> None:
        self._free = free
        self._in_flight = in_flight  # how many attempts of a tenant there are
        self._left: dict[UUID, int] = {}

    def take(self, tenant_id: UUID, wanted: int) -> int:
        """Take up to ``wanted`` attempts for a tenant; return how many."""
        left = self._left.get(tenant_id)
        if left is None:
            left = fair_part(self._free, self._in_flight(tenant_id))
        taken = min(wanted, left)
        self._left[tenant_id] = left - taken
        return taken


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
        if not self._sizes:
            return False
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
        return any(not fair_part(left, size) for size in self._by_tenant.values())

    def allowance(self) -> BodyAllowance:
        """Return how many bytes may be claimed now; a tenant may have as many in flight as are left to the others."""
        left = max(MAX_BODY_BYTES - self._total, 0)
        return BodyAllowance(left, {tenant: fair_part(left, size) for tenant, size in self._by_tenant.items()})


class Share(NamedTuple):
    """How many attempts a lane may start in this turn."""

    lane: LeasedLane
    limit: int


def share_capacity(lanes: list[LeasedLane], capacity: int, now: float, room: TenantRoom | None = None) -> list[Share]:
    """Divide ``capacity`` attempts: equally among tenants, and each tenant's part equally among its lanes.

    ``room`` limits what each tenant gets of it; None: no limit.

    Lanes that seem empty get up to IDLE_PROBE each, of half the capacity at most. Where there is not enough for all
    lanes, one lane of each tenant comes first, then a second of each, and so on.
    """
    able = _interleave_tenants([(lane, free) for lane in lanes if (free := lane.capacity(now)) > 0])[: max(capacity, 0)]
    full = Counter(lane.target.tenant_id for lane, _ in able if lane.may_have_more)
    idle = len(able) - full.total()
    spare = capacity - len(able)  # after one for each lane
    probe = min(IDLE_PROBE - 1, spare // 2 // max(idle, 1))
    part = (spare - probe * idle) // max(len(full), 1)
    shares = []
    for lane, free in able:
        tenant_id = lane.target.tenant_id
        limit = min(free, 1 + (part // full[tenant_id] if lane.may_have_more else probe))
        if room is not None:
            limit = room.take(tenant_id, limit)
        if limit > 0:
            shares.append(Share(lane, limit))
    return shares


def _interleave_tenants(lanes: list[tuple[LeasedLane, int]]) -> list[tuple[LeasedLane, int]]:
    seen: Counter[UUID] = Counter()
    rounds: list[int] = []
    for lane, _ in lanes:
        tenant = lane.target.tenant_id
        rounds.append(seen[tenant])
        seen[tenant] += 1
    return [lanes[index] for index in sorted(range(len(lanes)), key=rounds.__getitem__)]
