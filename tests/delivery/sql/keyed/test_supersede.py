"""Supersede waiting deliveries: which rows change, in which order of ages, and beside which other statements."""

from datetime import timedelta

import pytest
from django.db import transaction

from delivery.models import Delivery
from delivery.sending.attempt_stats import stats_by_hour
from delivery.sql.cancel import stop_deliveries
from delivery.sql.claim import claim_deliveries
from delivery.sql.keyed import supersede
from delivery.sql.keyed.supersede import SupersedeRequest, SupersedeSearch, find_superseded, supersede_older
from subscriptions.models import Endpoint
from tests.delivery.factories import make_delivery, make_event
from tests.delivery.sql.factories import EPOCH, HOUR, TOKEN, claim_request, now, settle, settlement
from tests.factories import make_endpoint
from tests.threads import in_threads

pytestmark = pytest.mark.django_db


def waiting(endpoint: Endpoint, count: int, key: str | None = "a", **changes: object) -> list[Delivery]:
    """Create deliveries of events a second apart, the oldest first; all are due."""
    begin = now() - timedelta(minutes=1)
    return [
        make_delivery(
            make_event(endpoint.tenant, created_at=begin + timedelta(seconds=number)),
            endpoint,
            **{"order_key": key, **changes},
        )
        for number in range(count)
    ]


def run(endpoint: Endpoint, search: SupersedeSearch | None = None, *keys: str) -> int:
    return supersede_older(SupersedeRequest(endpoint.id, EPOCH, search or SupersedeSearch(), keys))


def states(deliveries: list[Delivery]) -> list[str]:
    for it in deliveries:
        it.refresh_from_db()
    return [it.state for it in deliveries]


class TestRows:
    def test_older_waiting_deliveries_name_the_newest_and_are_counted_by_it(self) -> None:
        deliveries = waiting(make_endpoint(), 3)
        assert run(deliveries[0].endpoint) == 2
        assert states(deliveries) == ["superseded", "superseded", "pending"]
        assert [it.superseded_by_id for it in deliveries] == [deliveries[2].id] * 2 + [None]
        assert all(it.superseded_at is not None and it.next_attempt_at is None for it in deliveries[:2])
        assert deliveries[2].supersedes == 2
        assert deliveries[2].next_attempt_at is not None

    def test_keys_and_endpoints_do_not_mix_and_deliveries_without_a_key_stay(self) -> None:
        endpoint = make_endpoint()
        kept = [*waiting(endpoint, 1, "b"), *waiting(endpoint, 2, None), *waiting(make_endpoint(), 2, "a")]
        waiting(endpoint, 2, "a")
        assert run(endpoint) == 1
        assert states(kept) == ["pending"] * 5

    def test_age_is_that_of_the_event_not_of_the_delivery(self) -> None:
        endpoint = make_endpoint()
        newest = waiting(endpoint, 2)[1]
        event = make_event(endpoint.tenant, created_at=now() - HOUR)
        backfilled = make_delivery(event, endpoint, order_key="a", created_at=now())
        assert run(endpoint) == 2
        assert states([newest, backfilled]) == ["pending", "superseded"]

    def test_older_one_that_waits_for_its_retry_is_superseded(self) -> None:
        first, second = waiting(make_endpoint(), 2)
        Delivery.objects.filter(pk=first.pk).update(next_attempt_at=now() + HOUR, attempts=1)
        assert run(first.endpoint) == 1
        assert states([first, second]) == ["superseded", "pending"]
        assert first.attempts == 1

    def test_delivery_that_is_being_sent_stays_and_supersedes_older_ones(self) -> None:
        endpoint = make_endpoint()
        first, second, third = waiting(endpoint, 3)
        Delivery.objects.filter(pk=second.pk).update(state="sending", token=TOKEN, claimed_until=now() + HOUR)
        Delivery.objects.filter(pk=third.pk).delete()
        assert run(endpoint) == 1
        assert states([first, second]) == ["superseded", "sending"]
        (claimed,) = Delivery.objects.filter(pk=second.pk)
        assert settle(settlement(claimed)) == {second.id}

    def test_older_one_that_is_being_sent_is_not_touched(self) -> None:
        first, second = waiting(make_endpoint(), 2)
        Delivery.objects.filter(pk=first.pk).update(state="sending", token=TOKEN, claimed_until=now() + HOUR)
        assert run(first.endpoint) == 0
        assert states([first, second]) == ["sending", "pending"]

    @pytest.mark.parametrize("state", ["delivered", "dead", "cancelled"])
    def test_finished_ones_neither_supersede_nor_are_superseded(self, state: str) -> None:
        endpoint = make_endpoint()
        older, newer = waiting(endpoint, 2)
        Delivery.objects.filter(pk=newer.pk).update(state=state, next_attempt_at=None)
        assert run(endpoint) == 0
        assert states([older, newer]) == ["pending", state]

    def test_counts_add_up_over_those_that_were_superseded_one_after_the_other(self) -> None:
        endpoint = make_endpoint()
        deliveries = waiting(endpoint, 5)
        later = [it.pk for it in deliveries[3:]]
        Delivery.objects.filter(pk__in=later).update(state="cancelled")
        assert run(endpoint) == 2
        Delivery.objects.filter(pk__in=later).update(state="pending", next_attempt_at=now())
        assert run(endpoint) == 2
        last = deliveries[-1]
        found = find_superseded([last.id, deliveries[0].id])
        assert set(found) == {last.id}
        assert found[last.id].total == 4
        assert found[last.id].events == tuple(it.event_id for it in reversed(deliveries[:-1]))

    def test_statistics_of_the_hour_count_them(self) -> None:
        endpoint = make_endpoint()
        for _ in range(2):
            waiting(endpoint, 3)
            run(endpoint)
        (hour,) = stats_by_hour([endpoint.id], 1, now())
        assert (hour.superseded, hour.attempts) == (5, 0)


class TestSearch:
    def test_complete_search_looks_only_at_what_is_new(self) -> None:
        endpoint, search = make_endpoint(), SupersedeSearch()
        old = waiting(endpoint, 2, next_attempt_at=now() - HOUR)
        search.due_from, search.is_complete = now() - timedelta(minutes=1), True
        assert run(endpoint, search) == 0
        assert states(old) == ["pending", "pending"]

    def test_key_that_is_named_is_looked_at_although_nothing_of_it_is_new(self) -> None:
        endpoint, search = make_endpoint(), SupersedeSearch()
        waiting(endpoint, 2, next_attempt_at=now() - HOUR)
        search.due_from = now() - timedelta(minutes=1)
        assert run(endpoint, search, "a") == 1

    def test_backlog_is_superseded_in_several_calls(self, monkeypatch: pytest.MonkeyPatch) -> None:
        deliveries = waiting(make_endpoint(), 6)
        monkeypatch.setattr(supersede, "MAX_SUPERSEDED", 2)
        monkeypatch.setattr(supersede, "SUPERSEDE", supersede.SUPERSEDE.replace("LIMIT 1000", "LIMIT 2"))
        search, counts = SupersedeSearch(), []
        while not search.is_complete:
            counts.append(run(deliveries[0].endpoint, search))
        assert counts == [2, 2, 1]
        assert states(deliveries) == ["superseded"] * 5 + ["pending"]

    def test_search_goes_on_behind_what_was_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        endpoint = make_endpoint()
        for key in "abcde":
            waiting(endpoint, 1, key, next_attempt_at=now() - timedelta(seconds=ord("z") - ord(key)))
        monkeypatch.setattr(supersede, "MAX_DUE_READ", 2)
        monkeypatch.setattr(supersede, "SUPERSEDE", supersede.SUPERSEDE.replace("FIRST (1000)", "FIRST (2)"))
        search, calls = SupersedeSearch(), 0
        while not search.is_complete:
            run(endpoint, search)
            calls += 1
        assert calls == 3

    def test_claim_takes_only_the_latest_of_each_key(self) -> None:
        endpoint = make_endpoint()
        latest = [waiting(endpoint, 3, key)[-1] for key in "ab"]
        unkeyed = waiting(endpoint, 2, None)
        request = claim_request(endpoint, ordered=True)
        superseding = SupersedeRequest(endpoint.id, EPOCH, SupersedeSearch())
        claimed = claim_deliveries(TOKEN, [request._replace(superseding=superseding)])
        assert {it.id for it in claimed} == {it.id for it in [*latest, *unkeyed]}
        skipped = {it.id: it.superseded for it in claimed}
        assert [skipped[it.id] and skipped[it.id].total for it in [*latest, *unkeyed]] == [2, 2, None, None]

    def test_nothing_is_claimed_before_all_older_ones_are_superseded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        endpoint = make_endpoint()
        deliveries = waiting(endpoint, 4)
        monkeypatch.setattr(supersede, "MAX_SUPERSEDED", 2)
        monkeypatch.setattr(supersede, "SUPERSEDE", supersede.SUPERSEDE.replace("LIMIT 1000", "LIMIT 2"))
        superseding = SupersedeRequest(endpoint.id, EPOCH, SupersedeSearch())
        request = claim_request(endpoint, ordered=True)._replace(superseding=superseding)
        assert claim_deliveries(TOKEN, [request]) == []
        (claimed,) = claim_deliveries(TOKEN, [request])
        assert claimed.id == deliveries[-1].id


@pytest.mark.django_db(transaction=True)
class TestConcurrency:
    def test_newest_that_is_cancelled_at_the_same_time_supersedes_nothing(self) -> None:
        older, newer = waiting(make_endpoint(), 2)
        with transaction.atomic():
            stop_deliveries([newer.id], Delivery.State.CANCELLED, "test")
            (superseded,) = in_threads(lambda: run(older.endpoint))
        assert superseded == 0
        assert states([older, newer]) == ["pending", "cancelled"]

    def test_older_one_that_is_claimed_at_the_same_time_is_sent(self) -> None:
        older, newer = waiting(make_endpoint(), 2)
        with transaction.atomic():
            Delivery.objects.filter(pk=older.pk).update(state="sending", token=TOKEN, claimed_until=now() + HOUR)
            (superseded,) = in_threads(lambda: run(older.endpoint))
        assert superseded == 0
        assert states([older, newer]) == ["sending", "pending"]

    def test_two_owners_at_once_supersede_each_delivery_once(self) -> None:
        deliveries = waiting(make_endpoint(), 40)
        endpoint = deliveries[0].endpoint
        counts = in_threads(*[lambda: run(endpoint)] * 4)
        while more := run(endpoint):
            counts.append(more)
        assert sum(counts) == 39
        assert states(deliveries) == ["superseded"] * 39 + ["pending"]
        assert find_superseded([deliveries[-1].id])[deliveries[-1].id].total == 39

    def test_transaction_that_is_rolled_back_changes_neither_side(self) -> None:
        older, newer = waiting(make_endpoint(), 2)
        with transaction.atomic():
            assert run(older.endpoint) == 1
            transaction.set_rollback(True)
        assert states([older, newer]) == ["pending", "pending"]
        assert newer.supersedes is None
