"""Every list walks an index, whatever it is asked for."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model, QuerySet

from delivery import listing
from delivery.models import Event
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import make_endpoint, make_tenant
from webhooks.protocol.ids import new_id

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for inner in plan.get("Plans", ()) for node in nodes(inner))]


def index_of(rows: QuerySet[Model]) -> str:
    """The index that leads to the first page of these rows; the others only look up what belongs to each."""
    [plan] = json.loads(rows.order_by("-pk")[:51].explain(format="json"))
    table = rows.model._meta.db_table
    names = [
        node.get("Index Name") or node["Node Type"]
        for node in nodes(plan["Plan"])
        if table == node.get("Relation Name")
    ]
    assert len(names) == 1, names
    return str(names[0])


def plan_without(*ways: str) -> None:
    """Tables of tests are small, and a small table is best read whole: here the planner may not."""
    with connection.cursor() as cursor:
        for way in ways:
            cursor.execute(f"SET LOCAL enable_{way} = off")


def test_every_list_walks_the_index_that_was_made_for_it(subtests: pytest.Subtests) -> None:
    endpoint = make_endpoint(make_tenant())
    tenant = endpoint.tenant_id
    window: Any = {"since": NOW - timedelta(minutes=5), "until": NOW}
    plan_without("seqscan", "bitmapscan", "sort")
    for rows, index in [
        (listing.events(tenant), "event_pages"),
        (listing.events(None), "delivery_event_pkey"),
        (listing.events(tenant, **window), "event_pages"),
        (listing.events(tenant, type="rare"), "event_pages"),
        (listing.deliveries(tenant), "delivery_pages"),
        (listing.deliveries(None), "delivery_delivery_pkey"),
        (listing.deliveries(tenant, **window), "delivery_pages"),
        (listing.deliveries(tenant, endpoint=endpoint, **window), "delivery_endpoint_pages"),
        (listing.dead_letters(tenant), "dead_letter_pages"),
        (listing.dead_letters(tenant, state="redriven", cause="gone", **window), "dead_letter_pages"),
        (listing.dead_letters(tenant, endpoint=endpoint), "dead_letter_endpoint_pages"),
        (listing.replays(tenant), "replay_pages"),
    ]:
        with subtests.test(query=str(rows.query)[-120:]):
            assert index_of(rows) == index


def test_one_thing_is_looked_up_and_what_belongs_to_it_sorted(subtests: pytest.Subtests) -> None:
    endpoint = make_endpoint(make_tenant())
    events = [make_event(endpoint.tenant) for _ in range(200)]
    for event in events:
        make_delivery(event, endpoint)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE delivery_event, delivery_delivery")
    plan_without("seqscan", "bitmapscan")
    for rows, index in [
        (listing.events(endpoint.tenant_id, source="/orders", event_id=events[7].event_id), "an_event_is_taken_once"),
        (listing.deliveries(endpoint.tenant_id, event=events[7]), "an_event_is_owed_once"),
        (listing.deliveries(endpoint.tenant_id, event=events[7], endpoint=endpoint), "an_event_is_owed_once"),
    ]:
        with subtests.test(query=str(rows.query)[-120:]):
            assert index_of(rows) == index


def test_the_slack_forgives_a_key_stamped_by_another_clock() -> None:
    tenant = make_tenant()
    event = make_event(tenant, created_at=NOW)
    Event.objects.filter(pk=event.pk).update(created_at=NOW - timedelta(minutes=30))
    around = {"since": NOW - timedelta(minutes=31), "until": NOW - timedelta(minutes=29)}
    assert [*listing.events(tenant.pk, **around)] == [event]
    assert not listing.events(tenant.pk, since=NOW - timedelta(minutes=1))


def test_a_window_has_its_beginning_and_not_its_end() -> None:
    tenant = make_tenant()
    letter = make_dead_letter(make_delivery(make_event(tenant), make_endpoint(tenant)), died_at=NOW)
    assert [*listing.dead_letters(tenant.pk, since=NOW)] == [letter]
    assert not listing.dead_letters(tenant.pk, until=NOW)


@pytest.mark.parametrize("slack", [-(2**60), 0, 2**60])
def test_every_instant_has_a_place(slack: int) -> None:
    places = [listing.place(moment, slack) for moment in (datetime.min.replace(tzinfo=UTC), NOW)]
    assert places == sorted(places)


def test_a_key_made_now_stands_at_its_place() -> None:
    before = listing.place(datetime.now(UTC))
    key = new_id()
    assert before <= key < listing.place(datetime.now(UTC), 1)


def test_latest_are_the_newest_in_the_order_they_came() -> None:
    tenant = make_tenant()
    events = [make_event(tenant, created_at=NOW + timedelta(seconds=second)) for second in range(4)]
    assert listing.latest(Event.objects.all(), 2) == events[2:]
