"""Broadcasts: one event for many tenants, in slices, once each."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from rest_framework.test import APIClient

from delivery import notify
from delivery.broadcasting import broadcasts
from delivery.models import Broadcast, Delivery, Event
from subscriptions.tenants.tenants import delete_tenant
from tests.delivery.api.publishing.test_events import fields_of
from tests.factories import make_client, make_endpoint, make_plan, make_subscription, make_tenant
from webhooks.kit.encryption import decrypt
from webhooks.wire.errors import InvalidEvent

pytestmark = pytest.mark.django_db

API = "/api/v1/"
EVENT = {"type": "maintenance.planned", "data": {"at": "2030-01-31"}}


@pytest.fixture(autouse=True)
def no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)
    monkeypatch.setattr(broadcasts, "send_task", lambda *_, **__: None)


@pytest.fixture
def platform() -> APIClient:
    return make_client(None, "publish", "read")


def received() -> dict[str | None, int]:
    """Return how many events each tenant has, by uid."""
    found: dict[str | None, int] = {}
    for uid in Event.objects.values_list("tenant__uid", flat=True):
        found[uid] = found.get(uid, 0) + 1
    return found


def post(client: APIClient, path: str, body: Any, **headers: str) -> Any:
    return client.post(f"{API}broadcasts/{path}", body, format="json", headers=headers)


class TestRun:
    def test_every_customer_gets_the_event_once(self) -> None:
        for uid in ("one", "two", "three"):
            make_subscription(make_endpoint(make_tenant(uid=uid)))
        make_tenant(uid="us", is_platform=True)
        delete_tenant(make_tenant(uid="gone"))
        row = broadcasts.start(EVENT, {}, by="test")
        assert row.total == 3
        for _ in range(2):
            broadcasts.run_slices()
        assert received() == {"one": 1, "two": 1, "three": 1}
        assert Delivery.objects.count() == 3
        assert len(set(Event.objects.values_list("source", "event_id"))) == 1
        row.refresh_from_db()
        assert (row.state, row.published, row.failed) == ("finished", 3, 0)

    def test_labels_select_the_tenants(self) -> None:
        make_tenant(uid="gold", labels={"plan": "gold", "region": "eu"})
        make_tenant(uid="free", labels={"plan": "free"})
        broadcasts.start(EVENT, {"plan": "gold"}, by="test")
        broadcasts.run_slices()
        assert received() == {"gold": 1}

    def test_rate_limits_what_a_run_does_and_the_next_goes_on(self) -> None:
        for number in range(5):
            make_tenant(uid=f"t{number}")
        row = broadcasts.start(EVENT, {}, rate=2, by="test")
        broadcasts.run_slices()
        assert len(received()) == 2
        Broadcast.objects.update(rate=10, sliced_at=row.until_at - timedelta(hours=1))
        broadcasts.run_slices()
        assert len(received()) == 5

    def test_tenant_that_was_created_later_gets_nothing(self) -> None:
        row = broadcasts.start(EVENT, {}, by="test")
        make_tenant(created_at=row.until_at + timedelta(seconds=1))
        broadcasts.run_slices()
        assert received() == {}

    def test_same_event_again_is_a_duplicate_for_each_tenant(self) -> None:
        make_tenant(uid="one")
        for _ in range(2):
            broadcasts.start({**EVENT, "id": "m-1", "source": "/ops", "time": "2030-01-01T00:00:00Z"}, {}, by="test")
        broadcasts.run_slices()
        assert received() == {"one": 1}
        assert set(Broadcast.objects.values_list("state", "published")) == {("finished", 1)}

    def test_tenant_that_does_not_accept_the_event_is_counted_with_the_reason(self) -> None:
        make_tenant()
        for data in (1, 2):
            broadcasts.start({**EVENT, "id": "m-1", "source": "/ops", "data": data}, {}, by="test")
            broadcasts.run_slices()
        latest = Broadcast.objects.latest("id")
        assert (latest.state, latest.published, latest.failed) == ("finished", 0, 1)
        assert "was published before" in latest.last_error

    def test_event_larger_than_a_plan_allows_fails_for_its_tenants_only(self) -> None:
        make_tenant(uid="small", plan=make_plan(max_event_bytes=100, publish_rate=1, events_per_month=1))
        make_tenant(uid="large")
        row = broadcasts.start({**EVENT, "data": "a" * 100}, {}, by="test")
        broadcasts.run_slices()
        row.refresh_from_db()
        assert received() == {"large": 1}
        assert (row.state, row.published, row.failed) == ("finished", 1, 1)
        assert "100 bytes" in row.last_error

    def test_rate_and_month_of_a_plan_do_not_count(self) -> None:
        make_tenant(uid="small", plan=make_plan(publish_rate=1, events_per_month=1))
        for number in range(3):
            broadcasts.start({**EVENT, "id": str(number)}, {}, by="test")
        broadcasts.run_slices()
        assert received() == {"small": 3}

    def test_cancelled_one_stops(self) -> None:
        make_tenant()
        row = broadcasts.start(EVENT, {}, by="test")
        assert broadcasts.cancel(row)
        broadcasts.run_slices()
        assert received() == {}
        assert not broadcasts.cancel(row)

    def test_failure_of_one_does_not_stop_another(self) -> None:
        make_tenant(uid="one")
        Broadcast.objects.create(type="a", body=b"no event", event_id="1", source="/", rate=10)
        broadcasts.start(EVENT, {}, by="test")
        broadcasts.run_slices()
        assert received() == {"one": 1}

    @pytest.mark.parametrize("event", [{}, {"type": ""}, {"type": "waypost.delivery.dead"}, {"type": "a", "id": ""}])
    def test_invalid_event_creates_none(self, event: Any) -> None:
        with pytest.raises(InvalidEvent):
            broadcasts.start(event, {}, by="test")
        assert not Broadcast.objects.exists()


class TestApi:
    def test_preview_progress_and_end(self, platform: APIClient) -> None:
        for uid, plan in (("one", "gold"), ("two", "gold"), ("three", "free")):
            make_tenant(uid=uid, labels={"plan": plan})
        assert post(platform, "preview/", {"labels": {"plan": "gold"}}).json() == {"total": 2, "is_lower_bound": False}
        assert post(platform, "preview/", {"all": True}).json() == {"total": 3, "is_lower_bound": False}
        made = post(platform, "", {"event": EVENT, "labels": {"plan": "gold"}})
        assert made.status_code == 201, made.content
        assert {name: made.json()[name] for name in ("state", "total", "published", "labels", "type")} == {
            "state": "running",
            "total": 2,
            "published": 0,
            "labels": {"plan": "gold"},
            "type": "maintenance.planned",
        }
        broadcasts.run_slices()
        path = f"{made.json()['id']}/"
        assert platform.get(f"{API}broadcasts/{path}").json()["published"] == 2
        assert received() == {"one": 1, "two": 1}
        assert [it["id"] for it in platform.get(f"{API}broadcasts/?state=finished").json()["data"]] == [
            made.json()["id"]
        ]
        assert post(platform, f"{path}cancel/", {}).status_code == 409

    def test_data_are_published_as_they_were_written(self, platform: APIClient) -> None:
        make_tenant()
        body = b'{"all": true, "event": {"type": "a", "data": {"price": 1.50, "n": 12345678901234567890123}}}'
        assert platform.generic("POST", f"{API}broadcasts/", body, "application/json").status_code == 201
        broadcasts.run_slices()
        assert b'{"price": 1.50, "n": 12345678901234567890123}' in bytes(Event.objects.get().body)

    def test_cancel_is_idempotent(self, platform: APIClient) -> None:
        made = post(platform, "", {"event": EVENT, "all": True}).json()
        for _ in range(2):
            assert post(platform, f"{made['id']}/cancel/", {}).json()["state"] == "cancelled"

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"event": EVENT}, "labels"),
            ({"event": EVENT, "labels": {}}, "labels"),
            ({"event": EVENT, "all": False}, "labels"),
            ({"event": EVENT, "all": True, "labels": {"plan": "gold"}}, "labels"),
            ({"event": EVENT, "label": {"plan": "gold"}}, "label"),
            ({"all": True}, "event"),
            ({"all": True, "event": "x"}, "event"),
            ({"all": True, "event": {"data": 1}}, "event.type"),
            ({"all": True, "event": {"type": "waypost.delivery.dead"}}, "event.type"),
            ({"all": True, "event": EVENT, "rate": 0}, "rate"),
        ],
    )
    def test_invalid_request_is_a_400_that_names_the_field(self, platform: APIClient, body: Any, field: str) -> None:
        response = post(platform, "", body)
        assert (response.status_code, fields_of(response)) == (400, [field])
        assert not Broadcast.objects.exists()

    def test_key_of_a_tenant_is_a_403(self) -> None:
        client = make_client(make_tenant())
        for response in (client.get(f"{API}broadcasts/"), post(client, "", {"event": EVENT, "all": True})):
            assert (response.status_code, response.json()["code"]) == (403, "platform_key_required")

    def test_platform_key_without_publish_is_a_403_that_names_the_scope(self) -> None:
        response = post(make_client(None, "manage", "read"), "", {"event": EVENT, "all": True})
        assert (response.status_code, response.json()["scope"]) == (403, "publish")


def test_stored_event_is_the_one_that_is_sent() -> None:
    make_tenant()
    row = broadcasts.start(EVENT, {}, by="test")
    broadcasts.run_slices()
    assert orjson.loads(bytes(Event.objects.get().body)) == orjson.loads(decrypt(row.body))
    assert b"2030" not in bytes(row.body)


def test_event_of_a_broadcast_with_unknown_members_is_a_400_that_names_them() -> None:
    body = {"event": {"type": "maintenance.planned", "dat": 1}, "all": True}
    errors = make_client().post("/api/v1/broadcasts/", body).json()["errors"]
    assert [it["field"] for it in errors] == ["event.dat"]
    assert not Broadcast.objects.exists()


@pytest.mark.django_db
def test_unknown_members_of_the_event_are_named_with_the_other_faults() -> None:
    body = {"event": {"type": "a.b", "dat": 1}, "all": True, "rte": 1, "rate": 0}
    refused = post(make_client(), "", body)
    assert refused.status_code == 400
    assert [it["field"] for it in refused.json()["errors"]] == ["event.dat", "rate", "rte"]
