"""Test the timed cache: the age and number of its values, and missing values."""

import pytest

from webhooks.kit import timed_cache
from webhooks.kit.timed_cache import TimedCache


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
