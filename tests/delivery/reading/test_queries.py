"""Every list reads an index with every filter."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model, QuerySet

from delivery.models import Attempt, DeadLetter, Delivery, Event
from delivery.reading import queries
from delivery.reading.list_filters import ATTEMPTS, DEAD_LETTERS, DELIVERIES, EVENTS, Conditions, matching
from subscriptions.models import Endpoint
from tests.clock import from_now, time_of_test
from tests.delivery.factories import key_at, make_dead_letter, make_delivery, make_event
from tests.factories import make_endpoint, make_tenant
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for inner in plan.get("Plans", ()) for node in nodes(inner))]


def indexes_of(rows: QuerySet[Any]) -> dict[str, set[str]]:
    """Return the indexes that the plan of this query reads, by table."""
    found: dict[str, set[str]] = {}
    [plan] = json.loads(rows.explain(format="json"))
    for node in nodes(plan["Plan"]):
        if "Relation Name" in node:
            found.setdefault(node["Relation Name"], set()).add(node.get("Index Name") or node["Node Type"])
    return found


def index_of(rows: QuerySet[Model]) -> str:
    """Return the index that the first page of these rows is read from; the others look up related rows."""
    [name] = indexes_of(rows.order_by("-pk")[:51])[rows.model._meta.db_table]
    return name


def plan_without(*ways: str) -> None:
    """Forbid sequential scans, which the planner prefers for the small tables of tests."""
    with connection.cursor() as cursor:
        for way in ways:
            cursor.execute(f"SET LOCAL enable_{way} = off")


@pytest.fixture
def endpoint() -> Endpoint:
    """Return one of three endpoints of three tenants, each with an event a second."""
    endpoints = [make_endpoint(make_tenant()) for _ in range(3)]
    for endpoint in endpoints:
        owner, count = {"tenant": endpoint.tenant}, range(1_000)
        times = [time_of_test() - timedelta(seconds=age) for age in count]
        keys = [(key_at(at), at) for at in times]
        common = {"source": "/s", "type": "t", "digest": b"", "body": b""} | owner
        Event.objects.bulk_create(Event(id=key, created_at=at, event_id=str(key), **common) for key, at in keys)
        common = {"endpoint": endpoint, "state": "delivered"} | owner
        Delivery.objects.bulk_create(Delivery(id=key, created_at=at, event_id=key, **common) for key, at in keys)
        common = {"endpoint": endpoint, "cause": "responded_410", "attempts": 1} | owner
        DeadLetter.objects.bulk_create(DeadLetter(id=key, failed_at=at, delivery_id=key, **common) for key, at in keys)
        common = {"number": 1, "duration_ms": 5, "status": 204}
        Attempt.objects.bulk_create(Attempt(id=key, delivery_id=key, started_at=at, **common) for key, at in keys)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE delivery_event, delivery_delivery, delivery_deadletter, delivery_attempt")
    plan_without("seqscan", "bitmapscan")
    return endpoints[1]


def test_each_list_reads_its_index(endpoint: Endpoint, subtests: pytest.Subtests) -> None:
    plan_without("sort")
    tenant = endpoint.tenant_id
    window: Any = {"since": time_of_test() - timedelta(minutes=5), "until": time_of_test() - timedelta(minutes=2)}
    for rows, index in [
        (queries.events(tenant), "event_by_tenant"),
        (queries.events(None), "delivery_event_pkey"),
        (queries.events(tenant, **window), "event_by_tenant"),
        (queries.events(tenant).filter(matching(EVENTS, {"type": "rare", "q": "x"})), "event_by_tenant"),
        (queries.deliveries(tenant), "delivery_by_tenant"),
        (queries.deliveries(None), "delivery_delivery_pkey"),
        (queries.deliveries(tenant, **window), "delivery_by_tenant"),
        (queries.deliveries(tenant, endpoint=endpoint, **window), "delivery_by_endpoint"),
        (queries.deliveries(tenant, state="dead"), "delivery_stopped_by_tenant"),
        (queries.deliveries(tenant, state="cancelled", **window), "delivery_stopped_by_tenant"),
        (queries.deliveries(tenant, endpoint=endpoint, state="dead"), "delivery_stopped_by_endpoint"),
        (queries.dead_letters(tenant), "dead_letter_by_tenant"),
        (queries.dead_letters(tenant, **window), "dead_letter_by_tenant"),
        (queries.dead_letters(tenant, endpoint=endpoint), "dead_letter_by_endpoint"),
    ]:
        with subtests.test(query=str(rows.query)[-120:]):
            assert index_of(rows) == index


def test_list_of_one_parent_reads_the_parents_index_and_sorts(endpoint: Endpoint, subtests: pytest.Subtests) -> None:
    tenant = endpoint.tenant_id
    event = Event.objects.filter(tenant=tenant)[7]
    for rows, index in [
        (queries.events(tenant, source="/s", event_id=event.event_id), "unique_event_id_per_tenant_and_source"),
        (queries.events(tenant, event_id=event.event_id), "unique_event_id_per_tenant_and_source"),
        (queries.deliveries(tenant, event=event), "unique_delivery_per_event_and_endpoint"),
        (queries.deliveries(tenant, event=event, endpoint=endpoint), "unique_delivery_per_event_and_endpoint"),
    ]:
        with subtests.test(query=str(rows.query)[-120:]):
            assert index_of(rows) == index


ALONG: list[dict[str, Any]] = [{}, {"since": timedelta(minutes=-5)}, {"until": timedelta(minutes=-5)}]
GIVEN = {
    "type": "rare",
    "subject": "s",
    "of_source": "/s",
    "in_state": "pending",
    "state": "open",
    "cause": "responded_410",
    "status": "5xx",
    "error": "timeout",
    "replay": new_id(),
    "q": "ra",
}
EDGE = 200  # rows from the newest, as pages read them


def lists(endpoint: Endpoint) -> Iterator[tuple[QuerySet[Any], Conditions]]:
    """Return each list with the filters it allows."""
    tenant = endpoint.tenant_id
    event = Event.objects.filter(tenant=tenant)[7]
    delivery = Delivery.objects.filter(tenant=tenant)[7]
    for along in map(from_now, ALONG):
        yield queries.events(tenant, **along), EVENTS
        for more in ({}, {"endpoint": endpoint}, {"event": event}, {"state": "dead"}):
            yield queries.deliveries(tenant, **more, **along), DELIVERIES
        yield queries.deliveries(tenant, endpoint=endpoint, state="dead", **along), DELIVERIES
        yield queries.dead_letters(tenant, **along), DEAD_LETTERS
        yield queries.dead_letters(tenant, endpoint=endpoint, **along), DEAD_LETTERS
    yield delivery.history.all(), ATTEMPTS


def test_no_list_scans_a_table_with_any_filter(endpoint: Endpoint) -> None:
    """Every list with each filter alone and all together, with and without a time range."""
    large = {model._meta.db_table for model in (Event, Delivery, Attempt, DeadLetter)}
    count = 0
    for rows, conditions in lists(endpoint):
        newest = rows.order_by("-pk")
        edge = newest.values_list("pk", flat=True)[EDGE : EDGE + 1]
        given = [{name: GIVEN[name]} for name in conditions] + [GIVEN]
        for query in (edge, *(newest.filter(matching(conditions, it))[:51] for it in given)):
            for table, ways in indexes_of(query).items():
                assert table not in large or not ways & {"Seq Scan"}, (str(query.query), ways)
            count += 1
    assert count > 100


def test_each_filter_names_a_column_of_its_list(subtests: pytest.Subtests) -> None:
    for model, conditions in [
        (Event, EVENTS),
        (Delivery, DELIVERIES),
        (Attempt, ATTEMPTS),
        (DeadLetter, DEAD_LETTERS),
    ]:
        with subtests.test(table=model.__name__):
            assert conditions.keys() <= GIVEN.keys()
            assert not model.objects.filter(matching(conditions, GIVEN))


def test_within_finds_rows_whose_key_another_clock_made() -> None:
    tenant = make_tenant()
    event = make_event(tenant, created_at=time_of_test())
    Event.objects.filter(pk=event.pk).update(created_at=time_of_test() - timedelta(seconds=30))
    around = {"since": time_of_test() - timedelta(seconds=31), "until": time_of_test() - timedelta(seconds=29)}
    assert [*queries.events(tenant.pk, **around)] == [event]
    assert not queries.events(tenant.pk, since=time_of_test() - timedelta(seconds=1))


def test_within_includes_since_and_excludes_until() -> None:
    tenant = make_tenant()
    letter = make_dead_letter(make_delivery(make_event(tenant), make_endpoint(tenant)), failed_at=time_of_test())
    assert [*queries.dead_letters(tenant.pk, since=time_of_test())] == [letter]
    assert not queries.dead_letters(tenant.pk, until=time_of_test())


@pytest.mark.parametrize("slack", [-(2**60), 0, 2**60])
def test_place_accepts_every_instant(slack: int) -> None:
    places = [queries.place(moment, slack) for moment in (datetime.min.replace(tzinfo=UTC), time_of_test())]
    assert places == sorted(places)


def test_place_sorts_as_keys_made_at_the_same_instant() -> None:
    before = queries.place(datetime.now(UTC))
    key = new_id()
    assert before <= key < queries.place(datetime.now(UTC), 1)


def test_latest_are_the_newest_first() -> None:
    tenant = make_tenant()
    events = [make_event(tenant, created_at=time_of_test() + timedelta(seconds=second)) for second in range(4)]
    assert queries.latest(Event.objects.all(), 2) == events[:1:-1]
