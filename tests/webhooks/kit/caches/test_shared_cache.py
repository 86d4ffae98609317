"""The cache keeps the values that are read, and no owner pushes out the values of others."""

import gc
import weakref

from webhooks.kit.caches.shared_cache import SharedCache


def test_full_cache_drops_the_values_that_were_stored_first() -> None:
    share = SharedCache[int](3, owner_size=3).share("one")
    for number in range(10):
        share.put(number, number, 1)
    assert [share.get(number) for number in range(10)] == [*[None] * 7, 7, 8, 9]


def test_full_cache_keeps_what_is_read() -> None:
    share = SharedCache[int](3, owner_size=3).share("one")
    for number in range(10):
        share.put(number, number, 1)
        assert share.get(0) == 0
    assert share.get(9) == 9


def test_owner_beyond_its_size_loses_its_own_values() -> None:
    cache = SharedCache[int](100, owner_size=10)
    small, large = cache.share("small"), cache.share("large")
    small.put("first", 1, 5)
    for number in range(1_000):
        large.put(number, number, 2)
    assert small.get("first") == 1
    assert [number for number in range(1_000) if large.get(number) is not None] == [995, 996, 997, 998, 999]


def test_sizes_of_all_owners_stay_below_the_size_of_the_cache() -> None:
    cache = SharedCache[int](10, owner_size=5)
    for owner in range(20):
        cache.share(owner).put("key", owner, 3)
    assert sum(cache.share(owner).used for owner in range(20)) <= 10


def test_value_that_is_larger_than_its_share_replaces_all_others_of_the_owner() -> None:
    share = SharedCache[int](100, owner_size=10).share("one")
    share.put("small", 1, 5)
    share.put("large", 2, 50)
    assert (share.get("small"), share.get("large")) == (None, 2)


def test_value_stored_again_is_counted_once() -> None:
    share = SharedCache[int](100, owner_size=10).share("one")
    for number in range(10):
        share.put("key", number, 5)
    assert (share.get("key"), share.used) == (9, 5)


def test_share_of_an_owner_is_always_the_same() -> None:
    cache = SharedCache[int](10, owner_size=5)
    assert cache.share("one") is cache.share("one")
    assert cache.share("one") is not cache.share("two")


def test_share_lasts_as_long_as_its_values() -> None:
    cache = SharedCache[int](1, owner_size=1)
    share = weakref.ref(cache.share("one"))
    assert share() is None
    cache.share("one").put("key", 1, 1)
    share = weakref.ref(cache.share("one"))
    gc.collect()
    assert cache.share("one").get("key") == 1
    cache.share("two").put("key", 2, 1)
    gc.collect()
    assert share() is None
