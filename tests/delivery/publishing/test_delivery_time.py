"""``deliver_at``: an event waits for its time, once, and can be cancelled before."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from delivery import notify
from delivery.fan_out import deferred, delayed
from delivery.lifecycle import retention
from delivery.models import DelayedEvent, Delivery, Event
from delivery.publishing import PublishError, publish
from tests.clock import time_of_test
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant

pytestmark = pytest.mark.django_db

API = "/api/v1/events/"


@pytest.fixture(autouse=True)
def no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    for starter in (notify.drain_starter, notify.fan_out_starter):
        monkeypatch.setattr(starter, "notify", lambda: None)


@pytest.fixture
def client() -> APIClient:
    tenant = make_tenant()
    make_subscription(make_endpoint(tenant))
    return make_client(tenant)


def tomorrow() -> datetime:
    return time_of_test().replace(microsecond=0) + timedelta(days=1)


def post(client: APIClient, **members: Any) -> Any:
    return client.post(API, {"type": "order.paid", "data": {"n": 1}, **members}, format="json")


def pass_time() -> None:
    DelayedEvent.objects.update(deliver_at=datetime.now(UTC) - timedelta(hours=1))
    delayed.run()
    deferred.run()


def test_event_waits_for_its_time_and_is_then_delivered_once(client: APIClient) -> None:
    made = post(client, deliver_at=tomorrow().isoformat()).json()
    assert (made["routing"], made["deliveries"]) == ("scheduled", 0)
    delayed.run()
    deferred.run()
    assert Delivery.objects.count() == 0
    listed = client.get(API).json()["data"][0]
    assert datetime.fromisoformat(listed["deliver_at"]) == tomorrow()
    assert listed["routing"] == "scheduled"
    explained = client.get(f"{API}{made['id']}/explain/").json()["data"][0]
    assert (explained["outcome"], explained["reasons"][0]["code"]) == ("deferred", "scheduled")
    assert "deliver" not in str(client.get(f"{API}{made['id']}/").json()["event"])
    pass_time()
    pass_time()
    assert Delivery.objects.count() == 1
    assert client.get(API).json()["data"][0]["routing"] == "routed"


def test_subscription_made_in_the_meantime_receives_it() -> None:
    tenant = make_tenant()
    publish(tenant, [{"type": "order.paid", "deliver_at": tomorrow()}])
    make_subscription(make_endpoint(tenant))
    pass_time()
    assert Delivery.objects.count() == 1


def test_event_is_cancelled_before_its_time(client: APIClient) -> None:
    made = post(client, deliver_at=tomorrow().isoformat()).json()
    for _ in range(2):
        cancelled = client.post(f"{API}{made['id']}/cancel/")
        assert (cancelled.status_code, cancelled.json()["routing"]) == (200, "cancelled")
    pass_time()
    assert Delivery.objects.count() == 0
    explained = client.get(f"{API}{made['id']}/explain/").json()["data"][0]
    assert (explained["outcome"], explained["reasons"][0]["code"]) == ("not_sent", "cancelled")


def test_event_whose_time_has_come_is_not_cancelled(client: APIClient) -> None:
    made = post(client, deliver_at=tomorrow().isoformat()).json()
    pass_time()
    assert client.post(f"{API}{made['id']}/cancel/").status_code == 409
    assert client.post(f"{API}{post(client).json()['id']}/cancel/").status_code == 409


def test_repeat_is_a_duplicate_and_another_time_is_other_content(client: APIClient) -> None:
    first = post(client, id="1", source="/a", deliver_at=tomorrow().isoformat())
    again = post(client, id="1", source="/a", deliver_at=tomorrow().isoformat())
    assert (again.json()["duplicate"], again.json()["id"]) == (True, first.json()["id"])
    assert again.json()["routing"] == "scheduled"
    assert post(client, id="1", source="/a").status_code == 409
    assert Event.objects.count() == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2001-01-01T00:00:00Z", "in the future"),
        ("2999-01-31T09:00:00Z", "366 days"),
        ("2030-01-31T09:00:00", "with an offset"),
        ("tomorrow", "RFC 3339"),
        (5, "RFC 3339"),
        ({}, "RFC 3339"),
    ],
    ids=["past", "beyond a year", "without an offset", "words", "number", "object"],
)
def test_time_that_cannot_be_is_refused_by_name(client: APIClient, value: Any, message: str) -> None:
    response = post(client, deliver_at=value)
    assert response.status_code == 400
    assert [it["field"] for it in response.json()["errors"]] == ["deliver_at"]
    assert message in response.json()["errors"][0]["detail"]
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "members",
    [
        {"deliverat": "2999-01-31T09:00:00Z"},
        {"deliver_At": "2999-01-31T09:00:00Z"},
        {"extensions": {"deliverat": "2999-01-31T09:00:00Z"}},
        {"extensions": {"waypostdeliverat": "2999-01-31T09:00:00Z"}},
    ],
)
def test_misspelt_member_is_refused(client: APIClient, members: dict[str, Any]) -> None:
    response = post(client, **members)
    assert response.status_code == 400
    assert "deliver_at" in response.content.decode()


def test_cloudevent_names_its_time_by_an_attribute_that_is_not_sent(client: APIClient) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/a", "type": "order.paid"}
    kind = "application/cloudevents+json"
    late = {**event, "waypostdeliverat": tomorrow().isoformat()}
    made = client.generic("POST", API, json.dumps(late), kind)
    assert (made.status_code, made.json()["routing"]) == (202, "scheduled")
    assert b"deliver" not in bytes(Event.objects.get().body)
    assert client.generic("POST", API, json.dumps({**event, "deliverat": "x"}), kind).status_code == 400


def test_publish_takes_a_datetime_and_names_a_wrong_one() -> None:
    tenant = make_tenant()
    (published,) = publish(tenant, [{"type": "a.b", "deliver_at": tomorrow()}])
    assert published.routing == "scheduled"
    with pytest.raises(PublishError, match="deliver_at"):
        publish(tenant, [{"type": "a.b", "deliver_at": datetime(2030, 1, 1)}])


def test_erasing_an_event_cancels_it(client: APIClient) -> None:
    made = post(client, deliver_at=tomorrow().isoformat()).json()
    client.delete(f"{API}{made['id']}/payload/")
    pass_time()
    assert Delivery.objects.count() == 0


def test_retention_counts_from_the_time_of_delivery(client: APIClient) -> None:
    post(client, deliver_at=tomorrow().isoformat())
    with connection.cursor() as cursor:  # as if it were published a year ago
        cursor.execute("UPDATE delivery_event SET id = '00000000-0000-7000-8000-000000000001'")
        cursor.execute("UPDATE delivery_delayedevent SET event_id = '00000000-0000-7000-8000-000000000001'")
    retention.apply_retention()
    assert Event.objects.count() == 1
    DelayedEvent.objects.update(deliver_at=datetime(2001, 1, 1, tzinfo=UTC), state="released")
    retention.apply_retention()
    assert (Event.objects.count(), DelayedEvent.objects.count()) == (0, 0)
