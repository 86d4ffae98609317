"""The cache keeps the values stored last."""

from uuid import UUID

from webhooks.kit.caches.bounded_cache import BoundedCache


def test_full_cache_drops_the_least_recently_stored() -> None:
    cache = BoundedCache[int](3)
    for number in range(10):
        cache.put(UUID(int=number), number)
    assert [cache.get(UUID(int=number)) for number in range(10)] == [*[None] * 7, 7, 8, 9]
