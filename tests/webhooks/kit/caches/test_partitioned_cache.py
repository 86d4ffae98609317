"""Check that a partition that fills the cache displaces its own values only."""

from webhooks.kit.caches.partitioned_cache import PartitionedCache


def test_partition_that_fills_the_cache_loses_its_own_oldest_values() -> None:
    cache: PartitionedCache[int] = PartitionedCache(5)
    cache.put("neighbour", "kept", 0)
    for number in range(100):
        cache.put("flooding", number, number)
    assert len(cache) == 5
    assert cache.get("neighbour", "kept") == 0
    assert [cache.get("flooding", number) for number in range(94, 100)] == [None, None, 96, 97, 98, 99]


def test_put_of_a_known_key_replaces_its_value_and_makes_it_the_newest() -> None:
    cache: PartitionedCache[int] = PartitionedCache(2)
    for key, value in [("a", 1), ("b", 2), ("a", 3), ("c", 4)]:
        cache.put("x", key, value)
    assert (len(cache), cache.get("x", "a"), cache.get("x", "b"), cache.get("x", "c")) == (2, 3, None, 4)


def test_more_partitions_than_values_hold_as_many_as_fit() -> None:
    cache: PartitionedCache[int] = PartitionedCache(10)
    for tenant in range(100):
        cache.put(tenant, "a", tenant)
    assert len(cache) == sum(cache.get(tenant, "a") is not None for tenant in range(100)) == 10


def test_clear_drops_all_values() -> None:
    cache: PartitionedCache[int] = PartitionedCache(2)
    cache.put("x", "a", 1)
    cache.clear()
    assert (len(cache), cache.get("x", "a")) == (0, None)
