"""Callers that want one value at the same time have it computed once."""

import threading

import pytest

from webhooks.kit.caches import single_flight
from webhooks.kit.caches.single_flight import SingleFlight


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(single_flight, "monotonic", lambda: now[0])
    return now


def test_single_flight_computes_once_for_all_that_wait() -> None:
    computing, may_end, computed = threading.Event(), threading.Event(), []

    def compute(key: str) -> int:
        computed.append(key)
        computing.set()
        may_end.wait()
        return 7

    flight, found = SingleFlight[str, int](compute), []
    threads = [threading.Thread(target=lambda: found.append(flight.get("a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    computing.wait()
    may_end.set()
    for thread in threads:
        thread.join()
    assert (found, computed) == ([7] * 8, ["a"])


def test_single_flight_computes_again_after_its_maximum_age(clock: list[float]) -> None:
    values = iter(range(9))
    flight = SingleFlight[str, int](lambda _key: next(values))
    assert [flight.get("a"), flight.get("a")] == [0, 0]
    clock[0] += 1.0
    assert flight.get("a") == 1


def test_single_flight_keeps_no_exception() -> None:
    outcomes = iter([LookupError(), 7])

    def compute(_key: str) -> int:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    flight = SingleFlight[str, int](compute)
    with pytest.raises(LookupError):
        flight.get("a")
    assert flight.get("a") == 7
