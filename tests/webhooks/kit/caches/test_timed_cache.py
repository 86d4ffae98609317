"""Test the caches: the age and number of values, missing values, and callers that want one at the same time."""

import threading

import pytest

from webhooks.kit.caches import timed_cache
from webhooks.kit.caches.timed_cache import SingleFlight, TimedCache


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(timed_cache, "monotonic", lambda: now[0])
    return now


def test_value_is_loaded_again_after_its_maximum_age(clock: list[float]) -> None:
    loads: list[str] = []
    cache = TimedCache[str, int](lambda key: loads.append(key) or len(loads))
    assert [cache.get("a"), cache.get("a")] == [1, 1]
    clock[0] += 1.0
    assert cache.get("a") == 2


def test_missing_value_is_loaded_each_time() -> None:
    loads: list[str] = []
    cache = TimedCache[str, int | None](lambda key: loads.append(key))
    assert [cache.get("a"), cache.get("a")] == [None, None]
    assert (len(loads), len(cache)) == (2, 0)


def test_full_cache_drops_all_values() -> None:
    cache = TimedCache[int, int](lambda key: key, max_size=2)
    assert [cache.get(key) for key in (1, 2)] == [1, 2]
    assert len(cache) == 2
    cache.get(3)
    assert len(cache) == 1


def test_discarded_and_cleared_values_are_loaded_again() -> None:
    values = {"a": 1, "b": 1}
    cache = TimedCache(values.__getitem__)
    assert (cache.get("a"), cache.get("b")) == (1, 1)
    values.update(a=2, b=2)
    cache.discard("a")
    assert (cache.get("a"), cache.get("b")) == (2, 1)
    cache.clear()
    assert cache.get("b") == 2


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
