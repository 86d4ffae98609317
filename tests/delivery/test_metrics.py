"""Metrics count requests, events, deliveries and attempts, labelled by their result."""

from typing import Any

import pytest

from delivery.fan_out import deferred
from delivery.models import DeadLetter
from delivery.operational.dead_letters import dead_letter
from delivery.publishing import publish_each
from delivery.publishing.publisher import publish
from delivery.sql.dead_letters import DeadLetterRow
from subscriptions.models import Tenant
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant
from tests.metrics import metric

pytestmark = pytest.mark.django_db


def events(result: str, reason: str = "") -> float:
    return metric("waypost_events_total", result=result, reason=reason)


def created(by: str) -> float:
    return metric("waypost_deliveries_created_total", by=by)


def subscribed(count: int) -> Tenant:
    """Return a tenant with so many endpoints that receive events of the type a."""
    tenant = make_tenant()
    for _ in range(count):
        make_subscription(make_endpoint(tenant), event_types=["a"])
    return tenant


def test_events_are_counted_by_result_and_reason() -> None:
    names = [("accepted", ""), ("duplicate", ""), ("rejected", "conflict"), ("rejected", "invalid")]
    before = {name: events(*name) for name in names}
    event = {"type": "a", "id": "1", "data": 1}
    publish_each(make_tenant(), [event, event, {**event, "data": 2}, {"type": ""}, {"type": "b"}])
    assert [events(*name) - before[name] for name in names] == [2, 1, 1, 1]


def test_event_above_the_limit_is_counted_as_too_large(settings: Any) -> None:
    settings.WAYPOST_MAX_EVENT_BYTES = 300
    before = events("rejected", "too_large")
    publish_each(make_tenant(), [{"type": "a", "data": "x" * 400}])
    assert events("rejected", "too_large") == before + 1


def test_matched_events_and_their_deliveries_are_counted() -> None:
    tenant = subscribed(2)
    before = metric("waypost_events_matched_total"), created("publish")
    publish(tenant, [{"type": "a"}, {"type": "a"}, {"type": "b"}])
    assert (metric("waypost_events_matched_total"), created("publish")) == (before[0] + 2, before[1] + 4)


def test_deferred_deliveries_are_counted_when_a_worker_has_created_them(settings: Any) -> None:
    settings.WAYPOST_FAN_OUT_STEPS = 0
    tenant = subscribed(2)
    names = ("waypost_events_matched_total", "waypost_fan_out_seconds_count")
    before = [*map(metric, names), created("publish"), created("fan_out")]
    publish(tenant, [{"type": "a"}])
    deferred.run()
    after = [*map(metric, names), created("publish"), created("fan_out")]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 0, 2]


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/api/v1/events/", {"type": "a"}, 202),
        ("/api/v1/events/", {"type": ""}, 400),
        ("/api/v1/events/batch/", [{"type": "a"}], 202),
    ],
)
def test_publish_requests_are_counted_by_status(path: str, body: Any, code: int) -> None:
    client = make_client(make_tenant())
    names = ("waypost_publish_seconds_count", "waypost_publish_bytes_count")
    before = metric("waypost_publish_requests_total", code=str(code)), *map(metric, names)
    assert client.post(path, body, format="json").status_code == code
    after = metric("waypost_publish_requests_total", code=str(code)), *map(metric, names)
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 1]


def test_event_that_cannot_be_read_is_counted_as_invalid() -> None:
    client = make_client(make_tenant())
    before = events("rejected", "invalid")
    assert client.post("/api/v1/events/", [1], format="json").status_code == 400
    assert events("rejected", "invalid") == before + 1


@pytest.mark.django_db(transaction=True)
def test_dead_letters_are_counted_by_cause_after_the_commit() -> None:
    before = metric("waypost_dead_letters_opened_total", cause="set_aside")
    endpoint = make_endpoint()
    delivery = make_delivery(make_event(endpoint.tenant), endpoint, state="dead")
    dead_letter([DeadLetterRow(delivery.id, DeadLetter.Cause.SET_ASIDE, None)])
    assert metric("waypost_dead_letters_opened_total", cause="set_aside") == before + 1
