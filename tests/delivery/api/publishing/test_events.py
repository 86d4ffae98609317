"""Publishing and reading events over REST."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY

import pytest
from django.test import override_settings
from rest_framework.test import APIClient

from delivery.fan_out import deferred
from delivery.models import Delivery, Event
from subscriptions.models import Tenant
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant
from tests.routes import ApiRoute, RouteCases

pytestmark = pytest.mark.django_db

EVENTS = "/api/v1/events/"
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
MINIMAL = {"specversion": "1.0", "id": "1", "source": "/orders", "type": "order.created"}


def post(client: APIClient, body: Any, content_type: str = STRUCTURED, **headers: str) -> Any:
    raw = body if isinstance(body, bytes | str) else json.dumps(body)
    return client.generic("POST", EVENTS, raw, content_type, headers=headers)


def fields_of(response: Any) -> list[str]:
    assert response["Content-Type"] == "application/problem+json"
    return [error["field"] for error in response.json()["errors"]]


class TestEventRoutes(RouteCases):
    routes = [
        ApiRoute("get", "events/", "read", 200),
        ApiRoute("post", "events/", "publish", 202, {"type": "order.created", "data": {}}),
        ApiRoute("post", "events/batch/", "publish", 202, [{"type": "order.created"}]),
        ApiRoute("get", "events/{event}/", "read", 200),
        ApiRoute("get", "events/{event}/deliveries/", "read", 200),
        ApiRoute("delete", "events/{event}/payload/", "manage", 200),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        event = make_event(tenant)
        make_delivery(event, make_endpoint(tenant))
        return {"event": event.public_id}


class TestPublish:
    def test_structured_event_is_delivered_to_each_matching_endpoint(self, client: APIClient, tenant: Tenant) -> None:
        for _ in range(2):
            make_subscription(make_endpoint(tenant), event_types=["order.*"])
        response = post(client, {**MINIMAL, "data": {"total": 5}})
        assert response.status_code == 202
        event = Event.objects.get()
        assert response.json() == {
            "id": event.public_id,
            "source": "/orders",
            "event_id": "1",
            "duplicate": False,
            "routing": "routed",
            "deliveries": 2,
        }
        assert event.tenant == tenant
        assert Delivery.objects.filter(event=event).count() == 2

    def test_binary_event_has_its_attributes_in_headers(self, client: APIClient) -> None:
        headers = {"ce-specversion": "1.0", "ce-id": "a%20b", "ce-source": "/x", "ce-type": "t", "ce-tone": "low"}
        response = post(client, b'{"total": 5}', "application/json", **headers)
        assert response.status_code == 202
        document = json.loads(bytes(Event.objects.get().body))
        assert (document["id"], document["tone"], document["data"]) == ("a b", "low", {"total": 5})

    def test_binary_data_of_any_type_is_stored_unchanged(self, client: APIClient) -> None:
        headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/x", "ce-type": "t"}
        assert post(client, b"\x00\xff", "image/png", **headers).status_code == 202
        assert json.loads(bytes(Event.objects.get().body))["data_base64"] == "AP8="

    def test_plain_json_with_a_type_is_completed(self, client: APIClient) -> None:
        response = post(client, {"type": "order.created", "data": [1, 2]}, "application/json; charset=utf-8")
        assert response.status_code == 202
        document = json.loads(bytes(Event.objects.get().body))
        assert document == {"specversion": "1.0", "type": "order.created", "data": [1, 2]} | {
            "id": response.json()["event_id"],
            "source": response.json()["source"],
            "time": ANY,
        }

    def test_data_of_a_cloudevent_is_stored_as_written(self, client: APIClient) -> None:
        raw = b'{"specversion":"1.0","id":"1","source":"/x","type":"t","data":{"n":1.10,"big":123456789012345678901}}'
        assert post(client, raw).status_code == 202
        assert b'"data":{"n":1.10,"big":123456789012345678901}' in bytes(Event.objects.get().body)

    def test_repeat_returns_the_first_event(self, client: APIClient) -> None:
        first = post(client, MINIMAL).json()
        again = post(client, MINIMAL)
        assert again.status_code == 202
        assert again.json() == {**first, "duplicate": True}
        assert Event.objects.count() == 1

    def test_other_content_under_the_same_name_is_a_409(self, client: APIClient) -> None:
        post(client, {**MINIMAL, "data": 1})
        response = post(client, {**MINIMAL, "data": 2})
        assert response.status_code == 409
        assert fields_of(response) == ["id"]

    def test_same_name_of_two_tenants_is_accepted(self, client: APIClient) -> None:
        post(client, {**MINIMAL, "data": 1})
        assert post(make_client(make_tenant()), {**MINIMAL, "data": 2}).json()["duplicate"] is False

    def test_operator_without_a_tenant_is_rejected(self) -> None:
        response = post(make_client(None), MINIMAL)
        assert (response.status_code, fields_of(response)) == (400, ["tenant"])


NUMBERS = ["1.10", "1e3", "1E+3", "-0", "-0.0", "100.00", "18446744073709551617", "0.1000000000000000055", "1e-7"]


class TestNumbers:
    @pytest.mark.parametrize("number", NUMBERS)
    @pytest.mark.parametrize("form", ["application/json", STRUCTURED])
    def test_number_is_stored_as_it_was_written(self, client: APIClient, number: str, form: str) -> None:
        data = f'{{ "n": {number}, "list": [{number}] }}'
        body = f'{{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{data}}}'
        if form == "application/json":
            body = body.replace('"specversion":"1.0",', "")
        assert post(client, body, form).status_code == 202
        assert f'"data":{data}' in bytes(Event.objects.get().body).decode()

    def test_extension_keeps_its_type(self, client: APIClient) -> None:
        post(client, '{"type":"t","extensions":{"sequence":7,"sampled":true,"partitionkey":"7"}}', "application/json")
        body = bytes(Event.objects.get().body).decode()
        assert '"partitionkey":"7","sampled":true,"sequence":7' in body


class TestRejections:
    @pytest.mark.parametrize("path", [EVENTS, f"{EVENTS}batch/"])
    def test_unknown_members_of_the_plain_form_are_named(self, client: APIClient, path: str) -> None:
        event = {"type": "order.created", "dat": 1, "deliverat": "2030-01-01T00:00:00Z"}
        response = client.post(path, event if path == EVENTS else [event], format="json")
        assert response.status_code == 400
        problem = response.json() if path == EVENTS else response.json()["data"][0]["error"]
        assert [it["field"] for it in problem["errors"]] == ["dat", "deliverat"]
        assert 'did you mean "data"?' in problem["errors"][0]["detail"]
        assert not Event.objects.exists()

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"id": None}, "id"),
            ({"id": ""}, "id"),
            ({"id": "a\u0000b"}, "id"),
            ({"id": "x" * 600}, "id"),
            ({"source": "not a uri"}, "source"),
            ({"specversion": "0.3"}, "specversion"),
            ({"type": None}, "type"),
            ({"time": "yesterday"}, "time"),
            ({"Tone": "x"}, "Tone"),
            ({"tone": {"a": 1}}, "tone"),
            ({"data_base64": "?"}, "data_base64"),
        ],
    )
    def test_invalid_event_names_the_attribute(self, client: APIClient, changes: dict[str, Any], field: str) -> None:
        response = post(client, {**MINIMAL, **changes})
        assert (response.status_code, fields_of(response)) == (400, [field])
        assert not Event.objects.exists()

    @pytest.mark.parametrize("content_type", [STRUCTURED, BATCH, "application/json"])
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"nonsense",
            b"\xff\xfe",
            b'"text"',
            b"12",
            b"null",
            b"\x00",
            b'{"type":"t","data":NaN}',
            b'{"type":"t","data":1e999}',
            b'{"type":"t","data":"\\ud800"}',
            b'{"type":"t","type":"t"}',
            b'{"type":"t\\u0000"}',
            b'{"type":"t","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b'{"type":"t","data":' + b"[" * 100_000,
            b'{"a":' * 50_000,
            b"[" * 100_000,
            b'{"type":"t","data":' + b"9" * 10_000 + b',"id":7e}',
        ],
        ids=lambda body: repr(body[:24]),
    )
    def test_malformed_body_is_a_400(self, client: APIClient, body: bytes, content_type: str) -> None:
        response = post(client, body, content_type)
        assert response.status_code == 400
        assert response["Content-Type"] == "application/problem+json"
        assert not Event.objects.exists()

    @pytest.mark.parametrize("data", ["1e400", "-1e400", "NaN", '"\\ud800"', "01", "1."])
    def test_plain_data_that_is_no_safe_json_is_rejected(self, client: APIClient, data: str) -> None:
        assert post(client, f'{{"type":"t","data":{data}}}', "application/json").status_code == 400

    @pytest.mark.parametrize("number", ["1e-99999999999999999999", "-0e99999999999999999999"])
    def test_plain_data_with_an_exponent_that_nothing_holds_is_rejected(self, client: APIClient, number: str) -> None:
        response = post(client, f'{{"type":"t","data":[{number}]}}', "application/json")
        assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "data")

    @pytest.mark.parametrize(
        ("data", "declared"),
        [(5, "application/x-foo"), ({"a": 1}, "text/plain"), (None, "text/csv"), ("é", "text/plain; charset=latin-1")],
    )
    def test_plain_data_that_its_content_type_does_not_allow_is_rejected(
        self, client: APIClient, data: Any, declared: str
    ) -> None:
        response = post(client, {"type": "t", "data": data, "datacontenttype": declared}, "application/json")
        assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "data")

    def test_plain_event_with_a_duplicate_key_is_rejected(self, client: APIClient) -> None:
        assert post(client, '{"type":"t","type":"u"}', "application/json").status_code == 400

    @pytest.mark.parametrize(
        "content_type",
        ["", "text/plain", "application/xml", "application/cloudevents+xml", "application/json; charset=latin-1", "?"],
    )
    def test_unknown_content_type_is_a_415_naming_the_accepted_ones(self, client: APIClient, content_type: str) -> None:
        response = post(client, MINIMAL, content_type)
        assert response.status_code == 415
        assert STRUCTURED in response.json()["detail"]
        assert BATCH in response.json()["detail"]

    def test_compressed_body_is_a_415(self, client: APIClient) -> None:
        response = post(client, b"\x1f\x8b", **{"Content-Encoding": "gzip"})
        assert response.status_code == 415
        assert "Content-Encoding gzip is not accepted" in response.json()["detail"]

    @override_settings(WAYPOST_MAX_EVENT_BYTES=1024)
    def test_event_over_the_limit_is_a_413(self, client: APIClient) -> None:
        response = post(client, {**MINIMAL, "data": "x" * 1024})
        assert response.status_code == 413
        assert "1024" in response.json()["detail"]

    @override_settings(WAYPOST_MAX_REQUEST_BYTES=2048)
    def test_batch_over_the_limit_is_a_413(self, client: APIClient) -> None:
        assert post(client, [{**MINIMAL, "data": "x" * 2048}], BATCH).status_code == 413


class TestBatches:
    def test_batch_has_a_result_for_each_event_in_order(self, client: APIClient) -> None:
        post(client, {**MINIMAL, "id": "known", "data": 1})
        batch = [
            {**MINIMAL, "id": "good"},
            {**MINIMAL, "id": ""},
            {**MINIMAL, "id": "known", "data": 1},
            {**MINIMAL, "id": "known", "data": 2},
            "no object",
        ]
        response = post(client, batch, BATCH)
        assert response.status_code == 202
        content = response.json()
        assert (content["accepted"], content["rejected"]) == (2, 3)
        good, bad, repeat, conflict, nonsense = content["data"]
        assert (good["event_id"], good["duplicate"]) == ("good", False)
        assert (bad["error"]["status"], bad["error"]["errors"][0]["field"]) == (400, "id")
        assert repeat["duplicate"] is True
        assert conflict["error"]["status"] == 409
        assert nonsense["error"]["status"] == 400

    def test_batch_of_more_than_a_thousand_is_rejected(self, client: APIClient) -> None:
        batch = [{**MINIMAL, "id": str(number)} for number in range(1001)]
        assert post(client, batch, BATCH).status_code == 400
        assert not Event.objects.exists()
        response = post(client, batch[:1000], BATCH)
        assert (response.status_code, response.json()["accepted"]) == (202, 1000)
        assert Event.objects.count() == 1000

    def test_empty_batch_is_accepted(self, client: APIClient) -> None:
        response = post(client, [], BATCH)
        assert (response.status_code, response.json()) == (202, {"data": [], "accepted": 0, "rejected": 0})

    def test_batch_without_an_accepted_event_is_a_problem_with_each_reason(self, client: APIClient) -> None:
        response = post(client, [{}, {"id": "1"}], BATCH)
        assert response.status_code == 400
        assert response["Content-Type"] == "application/problem+json"
        assert (response.json()["accepted"], response.json()["rejected"], len(response.json()["data"])) == (0, 2, 2)


class TestJsonBatches:
    PATH = f"{EVENTS}batch/"

    def test_each_event_is_completed_as_if_it_were_published_alone(self, client: APIClient) -> None:
        body = [{"type": "a", "data": {"n": 1}}, {"id": "2", "source": "/s", "type": "b"}]
        response = client.post(self.PATH, body, format="json")
        assert response.status_code == 202
        first, second = response.json()["data"]
        assert (first["status"], first["event_id"]) == ("accepted", first["id"])
        assert (second["source"], second["event_id"]) == ("/s", "2")
        assert Event.objects.count() == 2

    def test_rejected_event_names_its_problem_beside_those_accepted(self, client: APIClient) -> None:
        content = client.post(self.PATH, [{"type": "a"}, {"type": ""}, "text"], format="json").json()
        assert [it["status"] for it in content["data"]] == ["accepted", "rejected", "rejected"]
        assert content["data"][1]["error"]["errors"][0]["field"] == "type"
        assert "JSON object" in content["data"][2]["error"]["detail"]

    def test_data_is_stored_as_it_was_written(self, client: APIClient) -> None:
        body = '[{"type":"t","data":{"n": 1.10}},\n{"detail-type":"u","detail":{ "n":1e3}}]'
        assert client.generic("POST", self.PATH, body, "application/json").status_code == 202
        bodies = [bytes(it.body).decode() for it in Event.objects.order_by("pk")]
        assert '"data":{"n": 1.10}' in bodies[0]
        assert '"data":{ "n":1e3}' in bodies[1]

    def test_cloudevents_are_accepted_as_a_cloudevents_batch(self, client: APIClient) -> None:
        response = client.generic("POST", self.PATH, json.dumps([MINIMAL]), BATCH)
        assert response.json()["data"][0]["event_id"] == "1"

    def test_batch_of_more_than_a_thousand_is_rejected(self, client: APIClient) -> None:
        response = client.post(self.PATH, [{"type": "t"}] * 1001, format="json")
        assert (response.status_code, Event.objects.count()) == (400, 0)

    def test_single_event_is_referred_to_the_other_path(self, client: APIClient) -> None:
        response = client.post(self.PATH, {"type": "t"}, format="json")
        assert response.status_code == 400
        assert "POST one event to /events/" in response.json()["detail"]
        assert "/events/batch/" in client.post(EVENTS, [{"type": "t"}], format="json").json()["detail"]

    @pytest.mark.parametrize("content_type", ["text/plain", STRUCTURED, "application/json; charset=latin-1"])
    def test_other_media_type_is_a_415_naming_the_accepted_ones(self, client: APIClient, content_type: str) -> None:
        response = client.generic("POST", self.PATH, "[]", content_type)
        assert response.status_code == 415
        assert BATCH in response.json()["detail"]


class TestReading:
    def test_event_shows_the_bytes_that_are_sent(self, client: APIClient, tenant: Tenant) -> None:
        body = b'{"specversion":"1.0","id":"1","source":"/a","type":"b","data":{"n":1.10,"big":123456789012345678901}}'
        event = make_event(tenant, body=body)
        response = client.get(f"{EVENTS}{event.public_id}/")
        assert b'"event":' + body in response.content
        assert response.json()["id"] == event.public_id

    def test_list_has_the_tenants_events_newest_first_without_bodies(self, client: APIClient, tenant: Tenant) -> None:
        now = datetime.now(UTC)
        older, newer = (make_event(tenant, created_at=now - timedelta(minutes=age)) for age in (5, 1))
        make_event(make_tenant())
        rows = client.get(EVENTS).json()["data"]
        assert [row["id"] for row in rows] == [newer.public_id, older.public_id]
        assert set(rows[0]) == {
            *("id", "source", "event_id", "type", "subject", "created_at", "deliver_at", "routing"),
            "payload_deleted_at",
        }
        assert {row["routing"] for row in rows} == {"routed"}

    @pytest.mark.parametrize(
        ("query", "finds"),
        [
            ({"type": "a"}, {"first"}),
            ({"source": "/s", "event_id": "2"}, {"second"}),
            ({"since": "2026-01-02T00:00:00Z"}, {"second"}),
            ({"until": "2026-01-02T00:00:00Z"}, {"first"}),
            ({"since": "2026-01-03T00:00:00Z", "until": "2026-01-04T00:00:00Z"}, set()),
        ],
    )
    def test_filters_select_events(
        self, client: APIClient, tenant: Tenant, query: dict[str, str], finds: set[str]
    ) -> None:
        day = datetime(2026, 1, 1, 12, tzinfo=UTC)
        names = {
            make_event(tenant, type="a", source="/s", event_id="1", created_at=day).public_id: "first",
            make_event(
                tenant, type="b", source="/s", event_id="2", created_at=day + timedelta(days=1)
            ).public_id: "second",
        }
        rows = client.get(EVENTS, query).json()["data"]
        assert {names[row["id"]] for row in rows} == finds

    @pytest.mark.parametrize("text", ["yesterday", "0001-01-01T00:00:00+23:59", "99999-01-01T00:00:00Z"])
    def test_invalid_time_names_the_parameter(self, client: APIClient, text: str) -> None:
        response = client.get(EVENTS, {"since": text})
        assert (response.status_code, fields_of(response)) == (400, ["since"])

    @pytest.mark.parametrize("since", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
    def test_earliest_and_latest_times_are_accepted(self, client: APIClient, since: str) -> None:
        assert client.get(EVENTS, {"since": since, "until": since}).json()["data"] == []

    @pytest.mark.parametrize("ref", ["evt_1", "nonsense", "dlv_01m83t2ghzevcannga6my0tf3k", "%00"])
    def test_malformed_id_is_not_found(self, client: APIClient, ref: str) -> None:
        assert client.get(f"{EVENTS}{ref}/").status_code == 404


def test_erased_event_shows_its_attributes_and_when_it_was_erased(client: APIClient, tenant: Tenant) -> None:
    event = make_event(tenant, data={"number": "4111"})
    path = f"/api/v1/events/{event.public_id}/"
    first = client.delete(f"{path}payload/").json()
    again = client.delete(f"{path}payload/").json()
    assert first["payload_deleted_at"] == again["payload_deleted_at"] is not None
    shown = client.get(path)
    assert b"4111" not in shown.content
    assert shown.json()["event"]["id"] == event.event_id


class TestDeferredRouting:
    @pytest.fixture
    def event(self, client: APIClient, tenant: Tenant, settings: Any) -> dict[str, Any]:
        """Publish an event that costs more than a request may, and return the response."""
        make_subscription(make_endpoint(tenant), event_types=["order.*"])
        settings.WAYPOST_FAN_OUT_STEPS = 0
        response = post(client, MINIMAL)
        assert response.status_code == 202
        return dict(response.json())

    def test_expensive_event_is_accepted_and_deferred(self, event: dict[str, Any]) -> None:
        assert (event["routing"], event["deliveries"]) == ("deferred", 0)

    def test_event_and_explanation_say_deferred_until_a_worker_has_routed_it(
        self, client: APIClient, event: dict[str, Any]
    ) -> None:
        path = f"{EVENTS}{event['id']}/"
        assert client.get(path).json()["routing"] == "deferred"
        assert [it["routing"] for it in client.get(EVENTS).json()["data"]] == ["deferred"]
        (explained,) = client.get(f"{path}explain/").json()["data"]
        assert (explained["outcome"], explained["delivery"]) == ("deferred", None)
        assert [it["code"] for it in explained["reasons"]] == ["deferred"]
        assert "more steps than one event may take" in explained["reasons"][0]["detail"]
        deferred.run()
        assert client.get(path).json()["routing"] == "routed"
        (explained,) = client.get(f"{path}explain/").json()["data"]
        assert explained["outcome"] == "pending"


@pytest.mark.django_db
def test_event_of_eventbridge_is_published_under_its_names() -> None:
    client = make_client(make_tenant())
    native = {"version": "0", "id": "7", "detail-type": "Order Paid", "source": "my.shop", "detail": {"total": 42}}
    response = client.post("/api/v1/events/", {**native, "resources": [], "region": "eu-west-1"}, format="json")
    assert (response.status_code, response.json()["event_id"]) == (202, "7")
    body = json.loads(bytes(Event.objects.get().body))
    assert (body["type"], body["data"], body["source"]) == ("Order Paid", {"total": 42}, "my.shop")
    assert (body["region"], "resources" in body) == ("eu-west-1", False)
