"""Search an ordered lane for what can be claimed: bounded steps that go on where the last one ended."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest

from delivery.models import Delivery
from delivery.sql.keyed import order_heads
from delivery.sql.keyed.order_heads import HeadSearch, SearchRequest, find_heads
from subscriptions.models import Endpoint
from tests.delivery.factories import make_delivery, make_event
from tests.delivery.sql.factories import EPOCH, HOUR, make_deliveries, now
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db


def find(endpoint: Endpoint, heads: HeadSearch, limit: int = 100) -> list[UUID]:
    (found,) = find_heads([SearchRequest(endpoint.id, limit, EPOCH, heads)])
    return found


def calls_until_complete(endpoint: Endpoint, heads: HeadSearch, limit: int = 100) -> Iterator[list[UUID]]:
    while not heads.is_complete:
        yield find(endpoint, heads, limit)


def make_blocked(endpoint: Endpoint, keys: int) -> None:
    """Create keys whose oldest delivery waits for its next attempt."""
    for number in range(keys):
        make_deliveries(endpoint, 1, order_key=f"key {number:04}", next_attempt_at=now() + HOUR)


class TestKeys:
    def test_one_call_walks_no_more_than_max_keys(self) -> None:
        endpoint, heads = make_endpoint(), HeadSearch(max_keys=4)
        make_blocked(endpoint, 10)
        (free,) = make_deliveries(endpoint, 1, order_key="key 9")
        assert list(calls_until_complete(endpoint, heads)) == [[], [], [free.id]]

    def test_search_finds_each_head_once(self) -> None:
        endpoint, heads = make_endpoint(), HeadSearch(max_keys=3)
        expected = [make_deliveries(endpoint, 2, order_key=f"{number:02}")[0].id for number in range(10)]
        assert [key for found in calls_until_complete(endpoint, heads) for key in found] == expected

    def test_search_continues_behind_the_last_head_when_the_limit_is_reached(self) -> None:
        endpoint, heads = make_endpoint(), HeadSearch()
        expected = [make_deliveries(endpoint, 2, order_key=f"{number:02}")[0].id for number in range(5)]
        assert [*calls_until_complete(endpoint, heads, limit=2)] == [expected[:2], expected[2:4], expected[4:]]

    def test_empty_key_is_a_key(self) -> None:
        endpoint, heads = make_endpoint(), HeadSearch()
        first = make_deliveries(endpoint, 2, order_key="")[0]
        assert find(endpoint, heads) == [first.id]

    def test_complete_search_finds_nothing_until_it_is_restarted(self) -> None:
        endpoint, heads = make_endpoint(), HeadSearch()
        find(endpoint, heads)
        (late,) = make_deliveries(endpoint, 1, order_key="a")
        assert (heads.is_complete, find(endpoint, heads)) == (True, [])
        heads.restart()
        assert find(endpoint, heads) == [late.id]

    def test_restart_lets_a_search_in_progress_go_on(self) -> None:
        endpoint, heads = make_endpoint(), HeadSearch(max_keys=2)
        make_blocked(endpoint, 5)
        find(endpoint, heads)
        heads.restart()
        assert heads.after_key == "key 0001"


class TestFreedKeys:
    def test_next_delivery_of_a_freed_key_is_found_without_a_search(self) -> None:
        endpoint, heads = make_endpoint(), HeadSearch()
        make_blocked(endpoint, 3)
        find(endpoint, heads)
        following = make_deliveries(endpoint, 2, order_key="z")[0]
        heads.freed_keys["z"] = None
        assert find(endpoint, heads) == [following.id]
        assert not heads.freed_keys

    def test_freed_key_that_is_blocked_or_empty_gives_nothing(self) -> None:
        endpoint, heads = make_endpoint(), HeadSearch(has_walked_keys=True, has_read_due=True)
        make_blocked(endpoint, 1)
        heads.freed_keys |= {"key 0000": None, "empty": None}
        assert find(endpoint, heads) == []

    def test_freed_keys_beyond_the_limit_are_kept_for_the_next_call(self) -> None:
        endpoint, heads = make_endpoint(), HeadSearch(has_walked_keys=True, has_read_due=True)
        expected = [make_deliveries(endpoint, 1, order_key=key)[0].id for key in "abc"]
        heads.freed_keys |= dict.fromkeys("abc")
        assert [find(endpoint, heads, limit=2), find(endpoint, heads, limit=2)] == [expected[:2], expected[2:]]

    def test_head_that_is_freed_and_walked_is_returned_once(self) -> None:
        endpoint, heads = make_endpoint(), HeadSearch(freed_keys={"a": None})
        (head,) = make_deliveries(endpoint, 1, order_key="a")
        assert find(endpoint, heads) == [head.id]


class TestWithoutKey:
    def test_one_call_reads_a_bounded_number_of_due_deliveries(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(order_heads, "MAX_DUE_READ", 4)
        endpoint, heads = make_endpoint(), HeadSearch()
        make_deliveries(endpoint, 10, order_key="a", next_attempt_at=now() - HOUR)
        make_delivery(make_event(endpoint.tenant), endpoint, order_key="a", state="sending", created_at=now() - HOUR)
        (free,) = make_deliveries(endpoint, 1)
        assert list(calls_until_complete(endpoint, heads)) == [[], [], [free.id]]

    def test_deliveries_due_at_the_same_moment_are_read_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(order_heads, "MAX_DUE_READ", 4)
        endpoint, heads = make_endpoint(), HeadSearch()
        expected = {it.id for it in make_deliveries(endpoint, 9)}
        Delivery.objects.update(next_attempt_at=now() - HOUR)
        assert {key for found in calls_until_complete(endpoint, heads) for key in found} == expected

    def test_next_search_reads_again_what_was_committed_late(self) -> None:
        endpoint, heads = make_endpoint(), HeadSearch()
        find(endpoint, heads)
        (late,) = make_deliveries(endpoint, 1, next_attempt_at=now() - order_heads.OVERLAP + timedelta(seconds=1))
        heads.restart()
        assert find(endpoint, heads) == [late.id]
