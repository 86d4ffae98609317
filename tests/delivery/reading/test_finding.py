"""Finding rows by what an operator has of them, and events by values of their payload."""

from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from delivery.lifecycle.erase import erase
from delivery.lifecycle.retention import apply_retention
from delivery.models import Event, EventValue
from delivery.publishing import publish
from delivery.reading.finding.events import find_events
from delivery.reading.finding.find import find
from delivery.sql.finding.event_values import FIND_BY_VALUE, digest_of
from subscriptions.models import Tenant
from subscriptions.search import FIND_ENDPOINTS, FIND_TENANTS
from tests.delivery.factories import make_attempt, make_dead_letter, make_delivery, make_event
from tests.factories import make_client, make_endpoint, make_event_type, make_subscription, make_tenant

pytestmark = pytest.mark.django_db
ORDER = {"order": {"id": "A-4711", "total": 12.5, "paid": True}, "lines": [{"sku": "cup"}, {"sku": "pot"}]}
PATHS = ["data.order.id", "data.order.total", "data.order.paid", "data.lines[*].sku", "data.missing"]


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant(name="Acme Shops", uid="acme-7")


def publish_order(tenant: Tenant, data: Any = ORDER, **attributes: str) -> Event:
    (published,) = publish(tenant, [{"type": "order.paid", "data": data, **attributes}])
    return Event.objects.get(pk=published.key)


def found(text: str) -> list[str]:
    """Return the public ids of what a text names."""
    return [row.public_id for it in find(text, by_value=True) for row in it.rows]


def test_every_kind_of_id_leads_to_its_row(tenant: Tenant) -> None:
    endpoint = make_endpoint(tenant)
    delivery = make_delivery(make_event(tenant), endpoint)
    rows = [tenant, endpoint, make_subscription(endpoint), delivery, delivery.event]
    rows += [make_attempt(delivery), make_dead_letter(delivery), endpoint.secrets.get()]
    for row in rows:
        assert found(row.public_id) == found(f" {row.public_id} ") == [row.public_id]
    assert found(str(delivery.pk)) == [delivery.public_id]


@pytest.mark.parametrize("text", ["Acme Shops", "acme shops", "me sho", "acme-7"])
def test_tenant_is_found_by_a_part_of_its_name_or_external_id(tenant: Tenant, text: str) -> None:
    make_tenant(name="Globex")
    assert found(text) == [tenant.public_id]


@pytest.mark.parametrize(
    "text", ["https://shop.example/hooks/erp-500", "shop.example", "ERP-500", "main-erp", "The ERP"]
)
def test_endpoint_is_found_by_a_part_of_url_description_or_external_id(tenant: Tenant, text: str) -> None:
    url = "https://shop.example/hooks/erp-500"
    endpoint = make_endpoint(tenant, url=url, uid="main-erp", description="The ERP")
    make_endpoint(tenant, url="https://other.example/hooks/crm")
    assert found(text) == [endpoint.public_id]


@pytest.mark.parametrize("text", ["", "  ", "ab", "%", "\0", "nothing like this", "evt_nonsense", "x" * 5000])
def test_text_that_names_nothing_finds_nothing(tenant: Tenant, text: str) -> None:
    assert found(text) == []


def test_event_is_found_by_own_id_type_and_subject(tenant: Tenant) -> None:
    event = publish_order(tenant, id="own-1", subject="customer/9")
    other = make_event(tenant, type="stock.low")
    assert found("own-1") == found("order.paid") == found("order.*") == found("customer/9") == [event.public_id]
    assert found("stock.low") == [other.public_id]


@pytest.mark.parametrize("text", ["A-4711", "data.order.id:A-4711", "12.5", "true", "cup", "data.lines[*].sku:pot"])
def test_event_is_found_by_value_at_an_indexed_path(tenant: Tenant, text: str) -> None:
    make_event_type(tenant, name="order.paid", indexed_paths=PATHS)
    event = publish_order(tenant)
    publish_order(tenant, {"order": {"id": "B-1"}})
    make_client(tenant)
    assert found(text) == [event.public_id]


def test_event_is_found_by_no_value_for_those_who_may_not_see_payloads(tenant: Tenant) -> None:
    make_event_type(tenant, name="order.paid", indexed_paths=PATHS)
    event = publish_order(tenant)
    assert find_events("A-4711", by_value=True) == [event.pk]
    assert find_events("A-4711", by_value=False) == []
    assert find("A-4711", by_value=False) == []


def test_path_narrows_the_search_to_its_values(tenant: Tenant) -> None:
    make_event_type(tenant, name="order.paid", indexed_paths=PATHS)
    publish_order(tenant)
    assert found("data.order.total:A-4711") == []


def test_types_without_indexed_paths_store_no_values(tenant: Tenant) -> None:
    make_event_type(tenant, name="order.paid")
    publish_order(tenant)
    assert not EventValue.objects.exists()
    assert found("A-4711") == []


def test_paths_of_the_platform_and_of_the_tenant_both_apply(tenant: Tenant) -> None:
    make_event_type(name="order.paid", indexed_paths=["data.order.id"])
    make_event_type(tenant, name="order.paid", indexed_paths=["data.order.total"])
    publish_order(tenant)
    assert {it.path for it in EventValue.objects.all()} == {"data.order.id", "data.order.total"}


def test_values_are_erased_with_the_payload(tenant: Tenant) -> None:
    make_event_type(tenant, name="order.paid", indexed_paths=PATHS)
    event, kept = publish_order(tenant), publish_order(tenant, {"order": {"id": "B-1"}})
    erase(event, "a key")
    assert {it.event_id for it in EventValue.objects.all()} == {kept.pk}


def test_values_are_deleted_with_their_event(tenant: Tenant) -> None:
    make_event_type(tenant, name="order.paid", indexed_paths=PATHS)
    kept = publish_order(tenant)
    old = make_event(tenant, created_at=kept.created_at.replace(year=2020))
    EventValue.objects.create(event_id=old.pk, path="data.order.id", digest=digest_of("A"), tenant_id=tenant.pk)
    assert apply_retention().events == 1
    assert {it.event_id for it in EventValue.objects.all()} == {kept.pk}


def test_masked_values_are_found_as_they_are_stored(tenant: Tenant) -> None:
    masks = [{"path": "$.data.order.id", "action": "mask"}]
    make_event_type(tenant, name="order.paid", indexed_paths=["data.order.id"], masks=masks)
    publish_order(tenant)
    assert found("A-4711") == []


def test_lists_over_rest_are_filtered_by_value(tenant: Tenant) -> None:
    make_event_type(tenant, name="order.paid", indexed_paths=PATHS)
    event, other = publish_order(tenant), publish_order(tenant, {"order": {"id": "B-1"}})
    endpoint = make_endpoint(tenant)
    delivery, _ = make_delivery(event, endpoint), make_delivery(other, endpoint)
    letter = make_dead_letter(delivery)
    client = make_client(tenant)
    for path, row in (("events", event), ("deliveries", delivery), ("dead-letters", letter)):
        for value in ("A-4711", "data.order.id:A-4711"):
            assert listed(client, path, value) == [row.public_id], path
        assert listed(client, path, "C-1") == []
    assert listed(make_client(make_tenant()), "events", "A-4711") == []
    assert listed(make_client(), "events", "A-4711") == [event.public_id]


def listed(client: APIClient, path: str, value: str) -> list[str]:
    return [row["id"] for row in client.get(f"/api/v1/{path}/", {"value": value}).json()["data"]]


@pytest.mark.parametrize(
    ("paths", "pointer"),
    [
        ("data.id", "#/indexed_paths"),
        (["order.id"], "#/indexed_paths/0"),
        (["data.a", "data..b"], "#/indexed_paths/1"),
        (["data.a", "data.a"], "#/indexed_paths/1"),
        ([f"data.f{number}" for number in range(9)], "#/indexed_paths"),
        ([1], "#/indexed_paths/0"),
    ],
    ids=["no list", "not in data", "no path", "twice", "too many", "no text"],
)
def test_invalid_indexed_paths_are_refused(tenant: Tenant, paths: Any, pointer: str) -> None:
    body = {"name": "order.paid", "indexed_paths": paths}
    response = make_client(tenant).post("/api/v1/event-types/", body)
    assert (response.status_code, [it["pointer"] for it in response.json()["errors"]]) == (400, [pointer])


@pytest.mark.parametrize(
    ("statement", "parameters", "indexes"),
    [
        (FIND_TENANTS, {"term": "acme"}, {"tenant_by_trigrams"}),
        (FIND_ENDPOINTS, {"term": "shop"}, {"endpoint_by_trigrams", "http_settings_by_trigrams"}),
        (
            FIND_BY_VALUE,
            {"tenant": "018f0000-0000-7000-8000-000000000000", "digest": b"0" * 16, "path": None},
            {"event_value_by_digest"},
        ),
    ],
    ids=["tenants", "endpoints", "values"],
)
def test_search_uses_its_index(statement: str, parameters: dict[str, Any], indexes: set[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        if "trigrams" in statement:  # of an empty table the planner may walk the primary key
            cursor.execute("SET LOCAL enable_indexscan = off")
        cursor.execute(f"EXPLAIN {statement}", {**parameters, "limit": 20})
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert {name for name in indexes if name in plan} == indexes, plan
