"""Test requests of EventBridge's PutEvents: with the client of AWS, and as plain JSON, natively and through Django."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from rest_framework.test import APIClient

from delivery.api.publishing.native_publish import can_publish_natively
from delivery.api.publishing.put_events import put_events_response
from delivery.api.publishing.request_events import find_entries
from delivery.models import Event
from delivery.publishing.results import EventLimitExceeded, Published
from subscriptions.errors import LimitExceeded
from tests.factories import make_client, make_tenant
from webhooks.wire.errors import InvalidEvent

EVENTS = "/api/v1/events/"
ENTRY = {"Source": "my.shop", "DetailType": "Order Paid", "Detail": '{"total": 1.10}', "EventBusName": "default"}


@pytest.fixture
def client() -> APIClient:
    return make_client(make_tenant())


def amazon_client(client: APIClient) -> Any:
    """Return the client of AWS for our endpoint; what it sends goes to the view, and it reads the response."""
    events = boto3.client(
        "events",
        region_name="eu-west-1",
        endpoint_url="https://hooks.example.com/api/v1/events",
        config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}),
    )

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        assert request.url.startswith("https://hooks.example.com/api/v1/events")
        headers = {
            name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
        }
        content_type = headers.pop("Content-Type")
        response = client.generic("POST", urlsplit(request.url).path, request.body, content_type, headers=headers)
        raw = type("Raw", (), {"stream": lambda *_: [response.content], "read": lambda *_: response.content})()
        return AWSResponse(request.url, response.status_code, dict(response.headers), raw)

    events.meta.events.register("before-send.events.PutEvents", send)
    key = {"Authorization": str(client._credentials["HTTP_AUTHORIZATION"])}
    events.meta.events.register("before-call.events.PutEvents", lambda params, **_: params["headers"].update(key))
    return events


@pytest.mark.django_db
def test_client_of_aws_publishes_and_reads_the_result_of_each_entry(client: APIClient) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 500_000, UTC)
    entries = [{**ENTRY, "Time": moment, "Resources": ["arn:a", "arn:b"]}, {**ENTRY, "Detail": "[1]"}]
    answer = amazon_client(client).put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 1
    event = Event.objects.get()
    assert answer["Entries"][0] == {"EventId": event.public_id}
    assert answer["Entries"][1] == {
        "ErrorCode": "MalformedDetail",
        "ErrorMessage": "Entries[1].Detail must be the JSON text of an object",
    }
    stored = bytes(event.body)
    document = json.loads(stored)
    assert (document["type"], document["source"], document["time"]) == (
        "Order Paid",
        "my.shop",
        "2026-01-02T03:04:05.500000Z",
    )
    assert b'{"total": 1.10}' in stored
    assert document["resources"] == "arn:a,arn:b"


@pytest.mark.django_db
@pytest.mark.parametrize("path", [EVENTS, f"{EVENTS}batch/"])
@pytest.mark.parametrize("time", [1_700_000_000, 1_700_000_000.25, "2023-11-14T22:13:20Z"])
def test_request_of_putevents_as_plain_json_is_answered_as_eventbridge_does(client, path: str, time: Any) -> None:
    response = client.post(path, {"Entries": [{**ENTRY, "Time": time}]}, format="json")
    assert response.status_code == 200
    assert response.json() == {"FailedEntryCount": 0, "Entries": [{"EventId": Event.objects.get().public_id}]}
    assert json.loads(bytes(Event.objects.get().body))["time"].startswith("2023-11-14T22:13:20")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "code", "member"),
    [
        ({"Detail": "no JSON"}, "MalformedDetail", "Detail"),
        ({"Detail": "7"}, "MalformedDetail", "Detail"),
        ({"Detail": {"a": 1}}, "MalformedDetail", "Detail"),
        ({"Detail": None}, "MalformedDetail", "Detail"),
        ({"DetailType": ""}, "InvalidArgument", "DetailType"),
        ({"Source": "a b"}, "InvalidArgument", "Source"),
        ({"Source": None}, "InvalidArgument", "Source"),
        ({"Time": "yesterday"}, "InvalidArgument", "Time"),
        ({"Time": 1e300}, "InvalidArgument", "Time"),
        ({"Time": True}, "InvalidArgument", "Time"),
        ({"Unknown": 1}, "InvalidArgument", "Unknown"),
        ({"eventBusName": "default"}, "InvalidArgument", "eventBusName"),
        ({"detail": {"other": 1}}, "InvalidArgument", "detail"),
        ({"data": {"other": 1}}, "InvalidArgument", "data"),
        ({"id": "7"}, "InvalidArgument", "id"),
        ({"type": "other"}, "InvalidArgument", "type"),
        ({"Resources": "arn:a"}, "InvalidArgument", "Resources"),
        ({"Resources": [1]}, "InvalidArgument", "Resources"),
    ],
)
def test_entry_that_is_wrong_fails_alone_and_its_error_names_the_member(client, change, code: str, member: str) -> None:
    response = client.post(EVENTS, {"Entries": [ENTRY, {**ENTRY, **change}]}, format="json")
    good, failed = response.json()["Entries"]
    assert (response.status_code, response.json()["FailedEntryCount"]) == (200, 1)
    assert (good, failed["ErrorCode"]) == ({"EventId": Event.objects.get().public_id}, code)
    assert failed["ErrorMessage"].startswith(f"Entries[1].{member} ")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "field"), [({"Detail": "[1]"}, "Detail"), ({"Time": 1e300}, "Time"), ({"Detail": "7"}, "Detail")]
)
def test_single_entry_that_is_wrong_is_a_400_that_names_the_member(client: APIClient, change, field: str) -> None:
    response = client.post(EVENTS, {**ENTRY, **change}, format="json")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, field)
    response = client.post(f"{EVENTS}batch/", [ENTRY, {**ENTRY, **change}], format="json")
    assert [it["status"] for it in response.json()["data"]] == ["accepted", "rejected"]
    assert response.json()["data"][1]["error"]["errors"][0]["field"] == field


@pytest.mark.django_db
@pytest.mark.parametrize("body", [{"Entries": 7}, {"Entries": [7]}, {"Other": []}, []])
def test_amazon_json_that_is_no_request_of_putevents_is_refused(client: APIClient, body: Any) -> None:
    response = client.generic("POST", EVENTS, json.dumps(body), "application/x-amz-json-1.1")
    if body == {"Entries": [7]}:
        assert response.json()["Entries"][0]["ErrorCode"] == "InvalidArgument"
    else:
        assert response.status_code == 400
    assert not Event.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("path", [EVENTS, f"{EVENTS}batch/"])
@pytest.mark.parametrize("entries", [[], 7, {}, [ENTRY] * 1_001])
def test_request_of_putevents_without_entries_or_with_too_many_is_a_400_that_names_them(client, path, entries) -> None:
    response = client.post(path, {"Entries": entries}, format="json")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "Entries")
    response = client.generic("POST", EVENTS, json.dumps({"Entries": entries}), "application/x-amz-json-1.1")
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "Entries")
    assert not Event.objects.exists()


def test_unknown_member_of_an_entry_is_answered_with_the_members_of_entries() -> None:
    (failed,) = find_entries(json.dumps({"Entries": [{**ENTRY, "Tiem": 1}]}).encode())
    assert 'did you mean "Time"? (members: Detail, DetailType, EventBusName, Resources,' in failed.reason


def test_event_with_a_member_entries_is_no_request_of_putevents() -> None:
    assert find_entries(b'{"type": "a", "data": {"Entries": []}}') is None
    assert find_entries(b'{"type": "a", "Entries": []}') is None
    assert find_entries(b'[{"Entries": [1]}]') is None
    assert len(find_entries(b'{"Entries": [1]}')) == 1


def test_request_of_the_client_of_aws_is_not_published_natively() -> None:
    headers = {"content-length": "10", "content-type": "application/x-amz-json-1.1"}
    assert not can_publish_natively(headers, b"")
    assert can_publish_natively({**headers, "content-type": "application/json"}, b"")


def test_limit_that_time_lifts_is_throttling_and_one_of_size_is_not() -> None:
    rate = EventLimitExceeded(LimitExceeded("publish_rate", "too fast", allowed=1, used=2))
    size = EventLimitExceeded(LimitExceeded("max_event_bytes", "too large", allowed=1, used=2))
    results = [Published(None, error=it) for it in (rate, size, InvalidEvent("id", "is empty"))]
    codes = [it["ErrorCode"] for it in put_events_response(results)["Entries"]]
    assert codes == ["ThrottlingException", "MalformedDetail", "InvalidArgument"]
