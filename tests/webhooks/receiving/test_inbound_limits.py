"""Who may come in now."""

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


def passes(limits: InboundLimits, source, rate: int | None) -> int:
    """How many get in before one is turned away, 10,000 at most."""
    for count in range(10_000):
        try:
            with limits.admit(source, rate):
                pass
        except Throttled:
            return count
    return 10_000


def test_without_a_rate_everybody_passes(clock: Clock) -> None:
    assert passes(InboundLimits(), uuid4(), None) == 10_000


def test_a_tenth_of_a_minutes_requests_may_come_at_once_and_then_the_rate_holds(clock: Clock) -> None:
    limits, source = InboundLimits(), uuid4()
    assert passes(limits, source, 600) == 600 * BURST
    clock.now += 1
    assert passes(limits, source, 600) == 10


def test_a_rate_of_one_lets_one_in_a_minute(clock: Clock) -> None:
    limits, source = InboundLimits(), uuid4()
    assert passes(limits, source, 1) == 1
    clock.now += 59
    assert passes(limits, source, 1) == 0
    clock.now += 1
    assert passes(limits, source, 1) == 1


def test_the_wait_that_is_told_is_long_enough(clock: Clock) -> None:
    limits, source = InboundLimits(), uuid4()
    passes(limits, source, 2)
    with pytest.raises(Throttled) as refused, limits.admit(source, 2):
        pass
    clock.now += refused.value.seconds
    assert passes(limits, source, 2) == 1


def test_one_source_at_its_rate_costs_another_nothing(clock: Clock) -> None:
    limits = InboundLimits()
    passes(limits, uuid4(), 1)
    assert passes(limits, uuid4(), 1) == 1


def test_bodies_that_take_long_hold_a_bounded_number_of_threads(clock: Clock) -> None:
    limits, source = InboundLimits(), uuid4()
    slow = [limits.admit(source, None) for _ in range(MAX_SLOW)]
    for each in slow:
        each.__enter__()
    assert passes(limits, source, None) == 10_000
    clock.now += 3
    assert passes(limits, source, None) == 0
    assert passes(limits, uuid4(), None) == 10_000
    slow[0].__exit__(None, None, None)
    assert passes(limits, source, None) == 10_000
