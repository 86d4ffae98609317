"""Events whose type is not in the catalogue are accepted, accepted with a warning, or refused."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from delivery.models import Event
from delivery.publishing.publisher import publish_each
from subscriptions.event_types import registry
from tests.factories import make_client, make_event_type, make_tenant

pytestmark = pytest.mark.django_db
EVENTS = "/api/v1/events/"
MISSPELT = {"type": "order.piad", "data": {}}
KNOWN = {"type": "order.paid", "data": {}}
MEANT = 'is not in the catalogue of event types; did you mean "order.paid"?'


@pytest.fixture(autouse=True)
def catalogue() -> None:
    make_event_type(name="order.paid")


def test_type_is_refused_with_the_one_that_was_meant() -> None:
    client = make_client(make_tenant(unknown_event_types="refuse"))
    response = client.post(EVENTS, MISSPELT)
    (error,) = response.json()["errors"]
    assert (response.status_code, error["field"], error["detail"]) == (400, "type", MEANT)
    assert client.post(EVENTS, KNOWN).status_code == 202


def test_type_is_accepted_with_a_warning_that_the_event_keeps() -> None:
    client = make_client(make_tenant(unknown_event_types="warn"))
    published = client.post(EVENTS, MISSPELT).json()
    warning = {"pointer": "#/type", "detail": f"The type {MEANT}"}
    assert published["warnings"] == [warning]
    assert client.get(f"{EVENTS}{published['id']}/").json()["warnings"] == [warning]
    assert "warnings" not in client.post(EVENTS, KNOWN).json()


def test_type_is_accepted_by_default() -> None:
    assert "warnings" not in make_client(make_tenant()).post(EVENTS, MISSPELT).json()


def test_platform_decides_where_the_tenant_does_not(settings: Any) -> None:
    settings.WAYPOST_UNKNOWN_EVENT_TYPES = "refuse"
    assert make_client(make_tenant()).post(EVENTS, MISSPELT).status_code == 400
    assert make_client(make_tenant(unknown_event_types="accept")).post(EVENTS, MISSPELT).status_code == 202


def test_event_of_a_batch_is_refused_alone() -> None:
    client = make_client(make_tenant(unknown_event_types="refuse"))
    data = client.post(f"{EVENTS}batch/", [MISSPELT, KNOWN]).json()["data"]
    assert [it["status"] for it in data] == ["rejected", "accepted"]
    assert Event.objects.count() == 1


def test_type_of_another_tenant_is_unknown_and_an_own_one_known() -> None:
    tenant, other = (make_tenant(unknown_event_types="refuse") for _ in range(2))
    registry.create(tenant, {"name": "own.type"}, by_operator=False)
    event = {"type": "own.type", "data": {}}
    assert make_client(tenant).post(EVENTS, event).status_code == 202
    assert make_client(other).post(EVENTS, event).status_code == 400


def test_type_that_is_created_is_known_at_once() -> None:
    client = make_client(make_tenant(unknown_event_types="refuse"))
    assert client.post(EVENTS, {"type": "new.type", "data": {}}).status_code == 400
    make_event_type(name="new.type")


def test_policy_costs_no_statement() -> None:
    counts = []
    for policy in ("accept", "warn", "refuse"):
        tenant = make_tenant(unknown_event_types=policy)
        publish_each(tenant, [KNOWN])
        with CaptureQueriesContext(connection) as queries:
            publish_each(tenant, [KNOWN])
        counts.append(len(queries))
    assert len(set(counts)) == 1


def test_tenant_sets_its_policy_and_null_is_that_of_the_platform() -> None:
    operator, tenant = make_client(), make_tenant(uid="acme")
    path = f"/api/v1/tenants/{tenant.public_id}/"
    assert operator.get(path).json()["unknown_event_types"] is None
    assert operator.patch(path, {"unknown_event_types": "warn"}).json()["unknown_event_types"] == "warn"
    assert operator.patch(path, {"unknown_event_types": None}).json()["unknown_event_types"] is None
    refused = operator.patch(path, {"unknown_event_types": "maybe"}).json()["errors"][0]
    assert refused["detail"] == "Must be one of: accept, warn, refuse."


def test_list_of_types_has_the_operational_ones_at_its_end() -> None:
    client = make_client(make_tenant())
    names = [it["name"] for it in client.get("/api/v1/event-types/").json()["data"]]
    assert names[0] == "order.paid"
    assert "waypost.delivery.dead" in names
    assert client.get("/api/v1/event-types/", {"order": "oldest"}).json()["data"][-1]["name"] == "order.paid"
    (found,) = client.get("/api/v1/event-types/", {"name": "waypost.delivery.dead"}).json()["data"]
    assert client.get("/api/v1/event-types/waypost.delivery.dead/").json() == found
    assert client.get(f"/api/v1/event-types/{found['id']}/").json() == found
    assert client.get("/api/v1/event-types/", {"q": "order"}).json()["data"][0]["name"] == "order.paid"
    assert client.patch("/api/v1/event-types/waypost.delivery.dead/", {"archived": True}).status_code == 403
    assert make_client().patch("/api/v1/event-types/waypost.delivery.dead/", {"archived": True}).status_code == 403
