"""Test the limits on the requests of a source."""

from uuid import uuid4

import pytest

from webhooks.receiving import inbound_limits as module
from webhooks.receiving.inbound_limits import BURST, MAX_SLOW, InboundLimits, Throttled


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


def count_admitted(limits: InboundLimits, source, rate: int | None) -> int:
    """Count the requests admitted before one is throttled, at most 10,000."""
    for count in range(10_000):
        try:
            with limits.admit(source, rate):
                pass
        except Throttled:
            return count
    return 10_000


def test_admit_without_a_rate_admits_all(clock: Clock) -> None:
    assert count_admitted(InboundLimits(), uuid4(), None) == 10_000


def test_admit_allows_a_burst_of_a_tenth_of_a_minute_and_then_the_rate(clock: Clock) -> None:
    limits, source = InboundLimits(), uuid4()
    assert count_admitted(limits, source, 600) == 600 * BURST
    clock.now += 1
    assert count_admitted(limits, source, 600) == 10


def test_admit_at_a_rate_of_one_admits_one_a_minute(clock: Clock) -> None:
    limits, source = InboundLimits(), uuid4()
    assert count_admitted(limits, source, 1) == 1
    clock.now += 59
    assert count_admitted(limits, source, 1) == 0
    clock.now += 1
    assert count_admitted(limits, source, 1) == 1


def test_admit_after_the_seconds_of_throttled_succeeds(clock: Clock) -> None:
    limits, source = InboundLimits(), uuid4()
    count_admitted(limits, source, 2)
    with pytest.raises(Throttled) as throttled, limits.admit(source, 2):
        pass
    clock.now += throttled.value.seconds
    assert count_admitted(limits, source, 2) == 1


def test_admit_limits_each_source_separately(clock: Clock) -> None:
    limits = InboundLimits()
    count_admitted(limits, uuid4(), 1)
    assert count_admitted(limits, uuid4(), 1) == 1


def test_admit_with_max_slow_bodies_throttles_their_source_only(clock: Clock) -> None:
    limits, source = InboundLimits(), uuid4()
    slow = [limits.admit(source, None) for _ in range(MAX_SLOW)]
    for each in slow:
        each.__enter__()
    assert count_admitted(limits, source, None) == 10_000
    clock.now += 3
    assert count_admitted(limits, source, None) == 0
    assert count_admitted(limits, uuid4(), None) == 10_000
    slow[0].__exit__(None, None, None)
    assert count_admitted(limits, source, None) == 10_000
