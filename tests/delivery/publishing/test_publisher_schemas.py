"""Schema checks of event types when publishing: off, warn, enforce."""

import json
from typing import Any

import pytest

from delivery.models import Delivery, Event
from delivery.publishing.publisher import publish_each
from delivery.publishing.results import SchemaMismatch
from subscriptions.models import Tenant
from tests.factories import make_client, make_endpoint, make_event_type, make_subscription, make_tenant

pytestmark = pytest.mark.django_db

SCHEMA = {"type": "object", "properties": {"lines": {"items": {"required": ["sku"]}}}}
GOOD, BAD = {"lines": [{"sku": "a"}]}, {"lines": [{"sku": "a"}, {}]}
EVENTS = "/api/v1/events/"


@pytest.fixture
def tenant() -> Tenant:
    made = make_tenant()
    make_subscription(make_endpoint(made))
    return made


def order(data: Any) -> dict[str, Any]:
    return {"type": "order.paid", "data": data}


class TestWarn:
    def test_mismatching_event_is_accepted_with_warnings(self, tenant: Tenant) -> None:
        make_event_type(name="order.paid", schema=SCHEMA)
        client = make_client(tenant)
        response = client.post(EVENTS, order(BAD))
        warnings = [{"pointer": "#/data/lines/1", "detail": '"sku" is a required property'}]
        assert (response.status_code, response.json()["warnings"]) == (202, warnings)
        assert client.get(f"{EVENTS}{response.json()['id']}/").json()["warnings"] == warnings
        assert Delivery.objects.count() == 1

    def test_matching_event_has_no_warnings(self, tenant: Tenant) -> None:
        make_event_type(name="order.paid", schema=SCHEMA)
        client = make_client(tenant)
        response = client.post(EVENTS, order(GOOD)).json()
        assert "warnings" not in response
        assert client.get(f"{EVENTS}{response['id']}/").json()["warnings"] is None

    def test_name_with_a_nul_is_left_out_of_the_warning(self, tenant: Tenant) -> None:
        make_event_type(name="order.paid", schema={"additionalProperties": {"type": "integer"}})
        client = make_client(tenant)
        response = client.post(EVENTS, order({"a\0b": "c\0d"}))
        assert (response.status_code, response.json()["warnings"][0]["pointer"]) == (202, "#/data/ab")
        shown = client.get(f"{EVENTS}{response.json()['id']}/").json()
        assert shown["warnings"] == response.json()["warnings"]
        assert shown["event"]["data"] == {"a\0b": "c\0d"}


class TestEnforce:
    def test_mismatching_event_is_rejected_with_its_location(self, tenant: Tenant) -> None:
        make_event_type(name="order.paid", schema=SCHEMA, schema_check="enforce")
        response = make_client(tenant).post(EVENTS, order(BAD))
        assert response.status_code == 400
        assert response.json()["errors"] == [
            {
                "field": "data",
                "detail": '"sku" is a required property',
                "code": "mismatch",
                "pointer": "#/data/lines/1",
            }
        ]
        assert (Event.objects.count(), Delivery.objects.count()) == (0, 0)

    def test_mismatching_event_of_a_batch_is_rejected_alone(self, tenant: Tenant) -> None:
        make_event_type(name="order.paid", schema=SCHEMA, schema_check="enforce")
        batch = [
            {"specversion": "1.0", "id": str(n), "source": "/s", **order(data)} for n, data in enumerate((GOOD, BAD))
        ]
        response = make_client(tenant).generic("POST", EVENTS, json.dumps(batch), "application/cloudevents-batch+json")
        accepted, rejected = response.json()["data"]
        assert (response.status_code, response.json()["accepted"], response.json()["rejected"]) == (202, 1, 1)
        assert accepted["deliveries"] == 1
        assert rejected["error"]["errors"][0]["pointer"] == "#/data/lines/1"

    def test_publish_returns_the_mismatch_as_the_events_result(self, tenant: Tenant) -> None:
        make_event_type(name="order.paid", schema=SCHEMA, schema_check="enforce")
        good, bad = publish_each(tenant, [order(GOOD), order(BAD)])
        assert good.error is None
        assert isinstance(bad.error, SchemaMismatch)
        assert str(bad.error) == 'data does not match the schema at /lines/1: "sku" is a required property'


def test_mismatching_event_is_accepted_without_warnings_when_off(tenant: Tenant) -> None:
    make_event_type(name="order.paid", schema=SCHEMA, schema_check="off")
    (result,) = publish_each(tenant, [order(BAD)])
    assert (result.error, result.warnings) == (None, ())
