"""Test the limits on the requests of a source."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from webhooks.receiving import inbound_limits as module
from webhooks.receiving.inbound_limits import (
    BURST,
    MAX_ARRIVING,
    MAX_ARRIVING_PER_ADDRESS,
    MAX_IN_MEMORY,
    MAX_SPOOLED,
    SLOW_AFTER,
    InboundLimits,
    Throttled,
)
from webhooks.receiving.inbound_view import MAX_SLOW


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def source(rate: int | None = None, **owner: UUID) -> Any:
    """Return what the limits read of a source."""
    id = uuid4()
    return SimpleNamespace(**{"id": id, "owner": id, **owner}, rate_per_minute=rate)


def count_admitted(limits: InboundLimits, source: Any, **how: Any) -> int:
    """Count the requests admitted before one is throttled, at most 10,000."""
    for count in range(10_000):
        try:
            with limits.admit(source, "192.0.2.1", **how):
                pass
        except Throttled:
            return count
    return 10_000


def hold(limits: InboundLimits, source: Any, count: int, address: str = "192.0.2.1") -> list[Any]:
    """Have bodies arrive."""
    return [limits.admit(source, address) for _ in range(count)]


def test_admit_without_a_rate_admits_all(clock: Clock) -> None:
    assert count_admitted(InboundLimits(), source()) == 10_000


def test_admit_allows_a_burst_of_a_tenth_of_a_minute_and_then_the_rate(clock: Clock) -> None:
    limits, limited = InboundLimits(), source(600)
    assert count_admitted(limits, limited) == 600 * BURST
    clock.now += 1
    assert count_admitted(limits, limited) == 10


def test_admit_at_a_rate_of_one_admits_one_a_minute(clock: Clock) -> None:
    limits, limited = InboundLimits(), source(1)
    assert count_admitted(limits, limited) == 1
    clock.now += 59
    assert count_admitted(limits, limited) == 0
    clock.now += 1
    assert count_admitted(limits, limited) == 1


def test_admit_after_the_seconds_of_throttled_succeeds(clock: Clock) -> None:
    limits, limited = InboundLimits(), source(2)
    count_admitted(limits, limited)
    with pytest.raises(Throttled) as throttled, limits.admit(limited, "192.0.2.1"):
        pass
    clock.now += throttled.value.seconds
    assert count_admitted(limits, limited) == 1


def test_admit_limits_each_source_separately(clock: Clock) -> None:
    limits = InboundLimits()
    count_admitted(limits, source(1))
    assert count_admitted(limits, source(1)) == 1


def test_admit_with_max_slow_bodies_throttles_their_source_only(clock: Clock) -> None:
    limits, slow = InboundLimits(), source()
    held = hold(limits, slow, MAX_SLOW)
    assert count_admitted(limits, slow, max_slow=MAX_SLOW) == 10_000
    clock.now += 3
    assert count_admitted(limits, slow, max_slow=MAX_SLOW) == 0
    assert count_admitted(limits, slow) == 10_000
    assert count_admitted(limits, source(), max_slow=MAX_SLOW) == 10_000
    limits.release(held[0])
    assert count_admitted(limits, slow, max_slow=MAX_SLOW) == 10_000


def test_admit_of_an_address_with_too_many_bodies_is_throttled_and_no_other_address(clock: Clock) -> None:
    limits, flooded = InboundLimits(), source()
    held = hold(limits, flooded, MAX_ARRIVING_PER_ADDRESS)
    with pytest.raises(Throttled) as throttled, limits.admit(flooded, "192.0.2.1"):
        pass
    assert throttled.value.status == 429
    with limits.admit(flooded, "192.0.2.2"), limits.admit(source(), "192.0.2.3"):
        pass
    limits.release(held[0])
    assert count_admitted(limits, flooded) == 10_000


@pytest.mark.parametrize("shared", ["source", "tenant"])
def test_admit_where_a_share_is_full_evicts_the_slowest_body_and_admits_the_new_one(clock: Clock, shared: str) -> None:
    limits, owner = InboundLimits(), uuid4()
    attacked = source(owner=owner)
    held = []
    for number in range(MAX_ARRIVING // 2):
        held += hold(limits, attacked, 1, f"192.0.2.{number % 200}")
    with pytest.raises(Throttled), limits.admit(attacked, "198.51.100.1"):
        pass
    clock.now += SLOW_AFTER + 1
    for number in range(3):
        with limits.admit(attacked, "198.51.100.1") as arrival:
            assert not arrival.is_evicted
        held += hold(limits, attacked, 1, f"203.0.113.{number}")
    assert [arrival.is_evicted for arrival in held[:5]] == [True] * 3 + [False] * 2
    for arrival in held:
        limits.release(arrival)
    assert count_admitted(limits, attacked) == 10_000


SHARED_BYTES = pytest.mark.parametrize(("kind", "most"), [("spool", MAX_SPOOLED), ("keep", MAX_IN_MEMORY)])


@SHARED_BYTES
def test_bytes_beyond_the_share_of_a_tenant_are_503_and_others_have_room(clock: Clock, kind: str, most: int) -> None:
    limits, greedy = InboundLimits(), source()
    (arrival,) = hold(limits, greedy, 1)
    getattr(arrival, kind)(most // 2)
    with pytest.raises(Throttled) as throttled:
        getattr(arrival, kind)(1)
    assert throttled.value.status == 503
    with limits.admit(source(), "192.0.2.2") as other:
        getattr(other, kind)(most // 4)
    limits.release(arrival)
    with limits.admit(greedy, "192.0.2.1") as again:
        getattr(again, kind)(most // 2)


@SHARED_BYTES
def test_bytes_beyond_the_share_of_an_address_are_503_whatever_the_source(clock: Clock, kind: str, most: int) -> None:
    limits = InboundLimits()
    (first,) = hold(limits, source(), 1)
    getattr(first, kind)(most // 2)
    with limits.admit(source(), "192.0.2.1") as arrival, pytest.raises(Throttled):
        getattr(arrival, kind)(1)
    with limits.admit(source(), "192.0.2.2") as arrival:
        getattr(arrival, kind)(1)
