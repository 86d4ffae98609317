"""A filter means the same in every list, and one that names something unknown is a 400 with the field."""

from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from subscriptions.event_types import registry
from subscriptions.models import Endpoint, Tenant
from tests.delivery.archiving.factories import file_storage
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant
from tests.factories_receiver import make_receipt, make_source

pytestmark = pytest.mark.django_db

TYPES = ["order.paid", "order.line.added", "orders", "invoice.sent"]
LISTS = ["events", "deliveries", "dead-letters", "subscriptions", "receipts", "usage"]
PARAMETER = {"subscriptions": "event_type", "receipts": "event_type"}
WITH_CHECKED_TYPE = ["events", "deliveries", "dead-letters", "usage"]


@pytest.fixture
def rows(tenant: Tenant, endpoint: Endpoint) -> None:
    """Create a row of each type in each list."""
    source = make_source(tenant_id=tenant.pk)
    for name in TYPES:
        make_dead_letter(make_delivery(make_event(tenant, type=name), endpoint, state="dead"))
        make_subscription(endpoint, event_types=[name])
        make_receipt(source, event_type=name)


def found(client: APIClient, path: str, pattern: str) -> set[str]:
    """Return the types of the rows that a list has for a filter by type."""
    query = {PARAMETER.get(path, "type"): pattern}
    if path in ("deliveries", "dead-letters"):
        query["include"] = "event"
    response = client.get(f"/api/v1/{path}/", query)
    assert response.status_code == 200, response.content
    return {_type_of(path, row) for row in response.json()["data"]}


def _type_of(path: str, row: dict[str, Any]) -> str:
    if path == "subscriptions":
        return str(row["event_types"][0])
    if path == "receipts":
        return str(row["event_type"])
    return str(row["included"]["event"]["type"] if "included" in row else row["type"])


@pytest.mark.parametrize("path", LISTS)
def test_type_means_the_same_in_every_list(client: APIClient, rows: None, path: str) -> None:
    assert found(client, path, "order.paid") == {"order.paid"}
    assert found(client, path, "order.*") == {"order.paid", "order.line.added"}
    assert found(client, path, "*") == set(TYPES)


@pytest.mark.parametrize("scope", ["dead_letters", "events"])
def test_type_of_a_replay_filter_means_the_same(client: APIClient, rows: None, scope: str) -> None:
    make_subscription(Endpoint.objects.get(), event_types=["*"])
    for pattern, count in (("order.paid", 1), ("order.*", 2), ("*", 4)):
        body = {"scope": scope, "filter": {"type": pattern}}
        response = client.post("/api/v1/replays/preview/", body)
        assert response.json()["total"] == count, response.content


def test_type_of_a_cancellation_means_the_same(client: APIClient, tenant: Tenant, endpoint: Endpoint) -> None:
    for name in TYPES:
        make_delivery(make_event(tenant, type=name), endpoint)
    response = client.post("/api/v1/deliveries/cancel/preview/", {"filter": {"type": "order.*"}})
    assert response.json()["total"] == 2, response.content


@pytest.mark.parametrize("path", WITH_CHECKED_TYPE)
def test_type_that_is_unknown_is_a_400_with_the_one_meant(client: APIClient, tenant: Tenant, path: str) -> None:
    registry.create(tenant, {"name": "order.paid"}, by_operator=False)
    (error,) = client.get(f"/api/v1/{path}/", {"type": "order.piad"}).json()["errors"]
    assert (error["field"], error["code"]) == ("type", "unknown")
    assert 'did you mean "order.paid"?' in error["detail"]
    for known in ("order.paid", "order.*", "stock.*"):  # a group may get its first type later
        assert client.get(f"/api/v1/{path}/", {"type": known}).status_code == 200


def test_type_that_is_unknown_in_a_replay_filter_is_a_400(client: APIClient) -> None:
    for path in ("replays", "replays/preview", "deliveries/cancel", "deliveries/cancel/preview"):
        response = client.post(f"/api/v1/{path}/", {"filter": {"type": "order.piad"}})
        assert response.status_code == 400
        assert [it["field"] for it in response.json()["errors"]] == ["filter.type"]


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("deliveries", {"endpoint": "main"}, "endpoint"),
        ("deliveries", {"replay": "rpl_01h455vb4pex5vsknk084sn02q"}, "replay"),
        ("deliveries", {"state": "sleeping"}, "state"),
        ("deliveries", {"labels": "env=prod"}, "labels"),
        ("deliveries", {"since": "yesterday"}, "since"),
        ("deliveries", {"since": "2030-02-01T00:00:00Z", "until": "2030-01-01T00:00:00Z"}, "until"),
        ("dead-letters", {"endpoint": "ep_01h455vb4pex5vsknk084sn02q"}, "endpoint"),
        ("dead-letters", {"cause": "bad luck"}, "cause"),
        ("subscriptions", {"endpoint": "main"}, "endpoint"),
        ("receipts", {"source": "main"}, "source"),
        ("receipts", {"source": "src_01h455vb4pex5vsknk084sn02q"}, "source"),
        ("rejections", {"source": "main"}, "source"),
        ("usage", {"cursor": "x"}, "cursor"),
        ("events", {"cursor": "x"}, "cursor"),
    ],
)
def test_filter_that_names_something_unknown_is_a_400_with_the_field(
    client: APIClient, path: str, query: dict[str, str], field: str
) -> None:
    response = client.get(f"/api/v1/{path}/", query)
    assert response.status_code == 400
    assert [it["field"] for it in response.json()["errors"]] == [field]


def test_endpoint_that_is_unknown_in_a_replay_filter_is_a_400(client: APIClient) -> None:
    for ref in ("main", "ep_01h455vb4pex5vsknk084sn02q", make_endpoint(make_tenant()).public_id):
        response = client.post("/api/v1/replays/preview/", {"filter": {"endpoint": ref}})
        assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "filter.endpoint")


@pytest.mark.parametrize(
    ("path", "scope", "noun"),
    [
        ("replays", {"scope": "dead_letters"}, "dead letter"),
        ("replays/preview", {"scope": "dead_letters"}, "dead letter"),
        ("replays/preview", {"scope": "events"}, "event"),
        ("replays/preview", {"scope": "missing"}, "event"),
        ("dead-letter-jobs/preview", {"operation": "discard"}, "dead letter"),
        ("deliveries/cancel", {}, "delivery"),
        ("deliveries/cancel/preview", {}, "delivery"),
    ],
)
def test_ids_that_are_unknown_in_a_filter_are_a_400_that_counts_them(
    client: APIClient, tenant: Tenant, endpoint: Endpoint, path: str, scope: dict[str, str], noun: str
) -> None:
    foreign = make_endpoint(make_tenant())
    own, other = (
        {"event": it.event.public_id, "delivery": it.public_id, "dead letter": make_dead_letter(it).public_id}
        for it in (make_delivery(make_event(it.tenant), it) for it in (endpoint, foreign))
    )
    missing = f"{own[noun].partition('_')[0]}_01h455vb4pex5vsknk084sn02q"
    response = client.post(f"/api/v1/{path}/", {**scope, "filter": {"ids": [own[noun], other[noun], missing]}})
    (error,) = response.json()["errors"]
    assert (response.status_code, error["field"], error["code"]) == (400, "filter.ids", "unknown")
    assert error["detail"] == f"there is no {noun} with the id '{other[noun]}', nor with 1 more of these ids"
    assert client.post(f"/api/v1/{path}/", {**scope, "filter": {"ids": [own[noun]]}}).status_code in (200, 201)


def test_ids_of_archived_events_are_not_looked_up(client: APIClient, settings: Any, tmp_path: Path) -> None:
    settings.STORAGES = {**settings.STORAGES, "archive": file_storage(tmp_path)}
    body = {"scope": "archived", "filter": {"ids": ["evt_01h455vb4pex5vsknk084sn02q"]}}
    assert client.post("/api/v1/replays/preview/", body).status_code == 200


def test_type_is_not_checked_for_all_tenants_together() -> None:
    assert make_client().get("/api/v1/events/", {"type": "order.piad"}).status_code == 200
