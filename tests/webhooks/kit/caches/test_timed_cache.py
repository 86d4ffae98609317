"""Test the cache: age and number of values, refreshes, missing values."""

import threading
from collections.abc import Iterator

import pytest

from tests.threads import EndingRefresher
from tests.waiting import wait_until
from webhooks.kit.caches import timed_cache
from webhooks.kit.caches.timed_cache import TimedCache


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(timed_cache, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def refresher(monkeypatch: pytest.MonkeyPatch) -> Iterator[EndingRefresher]:
    refresher = EndingRefresher()
    monkeypatch.setattr(timed_cache, "refresher", lambda: refresher)
    yield refresher
    refresher.finish()


class HeldLoad:
    """Return how often it was called; from the second call on, when ``go_on`` is set."""

    def __init__(self) -> None:
        self.calls = 0
        self.go_on = threading.Event()

    def __call__(self, key: str) -> int:
        self.calls += 1
        calls = self.calls
        if calls > 1:
            self.go_on.wait()
        return calls


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


def test_callers_past_the_refresh_time_get_the_old_value_at_once_and_share_one_load(
    clock: list[float], refresher: EndingRefresher
) -> None:
    load = HeldLoad()
    cache = TimedCache[str, int](load, refreshes=True)
    cache.get("a")
    clock[0] += 0.5
    assert [cache.get("a") for _ in range(9)] == [1] * 9  # the load would not end before
    clock[0] += 0.4
    assert [cache.peek("a") for _ in range(9)] == [(1, True)] * 9
    load.go_on.set()
    refresher.finish()
    assert (cache.get("a"), load.calls) == (2, 2)


def test_value_is_not_refreshed_before_half_of_its_maximum_age_nor_when_unused(
    clock: list[float], refresher: EndingRefresher
) -> None:
    loads: list[str] = []
    cache = TimedCache[str, int](lambda key: loads.append(key) or len(loads), refreshes=True)
    cache.get("a")
    clock[0] += 0.4
    cache.get("a")
    clock[0] += 10
    assert cache.peek("a") == (1, False)
    refresher.finish()
    assert loads == ["a"]


def test_age_of_a_refreshed_value_is_counted_from_the_begin_of_its_load(
    clock: list[float], refresher: EndingRefresher
) -> None:
    load = HeldLoad()
    cache = TimedCache[str, int](load, refreshes=True)
    cache.get("a")
    clock[0] += 0.5
    cache.get("a")
    wait_until(lambda: load.calls == 2, "the refresh")
    clock[0] += 0.3
    load.go_on.set()
    refresher.finish()
    clock[0] += 0.6
    assert cache.peek("a") == (2, True)
    clock[0] += 0.1
    assert cache.peek("a") == (2, False)


def test_failed_refresh_keeps_the_value_until_its_maximum_age(clock: list[float], refresher: EndingRefresher) -> None:
    outcomes = iter([1, LookupError(), 2])

    def load(_key: str) -> int:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    cache = TimedCache[str, int](load, refreshes=True)
    cache.get("a")
    clock[0] += 0.9
    assert cache.get("a") == 1
    refresher.finish()
    assert cache.get("a") == 1
    clock[0] += 0.1
    assert cache.get("a") == 2


def test_value_discarded_during_its_refresh_stays_discarded(clock: list[float], refresher: EndingRefresher) -> None:
    load = HeldLoad()
    cache = TimedCache[str, int](load, refreshes=True)
    cache.get("a")
    clock[0] += 0.9
    cache.get("a")
    wait_until(lambda: load.calls == 2, "the refresh")
    cache.discard("a")
    load.go_on.set()
    refresher.finish()
    assert cache.peek("a") == (None, False)


def test_value_that_no_longer_exists_is_dropped_by_its_refresh(clock: list[float], refresher: EndingRefresher) -> None:
    values: dict[str, int] = {"a": 1}
    cache = TimedCache[str, int | None](values.get, refreshes=True)
    cache.get("a")
    values.clear()
    clock[0] += 0.9
    assert cache.get("a") == 1
    refresher.finish()
    assert cache.peek("a") == (None, False)


def test_refresh_that_begins_after_the_maximum_age_loads_nothing(
    clock: list[float], refresher: EndingRefresher
) -> None:
    loads: list[str] = []
    cache = TimedCache[str, int](lambda key: loads.append(key) or len(loads), refreshes=True)
    go_on = threading.Event()
    cache.get("a")
    refresher.submit(lambda: go_on.wait() and None)
    clock[0] += 0.9
    cache.get("a")
    clock[0] += 0.1
    go_on.set()
    refresher.finish()
    assert loads == ["a"]


def test_cache_without_refreshes_loads_only_what_is_too_old(clock: list[float], refresher: EndingRefresher) -> None:
    loads: list[str] = []
    cache = TimedCache[str, int](lambda key: loads.append(key) or len(loads))
    cache.get("a")
    clock[0] += 0.9
    cache.get("a")
    refresher.finish()
    assert loads == ["a"]
