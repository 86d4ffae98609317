"""Event types over REST: the deployment's for all to see, a tenant's own for itself."""

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from subscriptions.event_types.models import EventType
from tests.factories import make_client, make_event_type, make_tenant
from tests.routes import ApiRoute, RouteCases

pytestmark = pytest.mark.django_db

TYPES = "/api/v1/event-types/"
SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
FULL = {
    "name": "order.paid",
    "description": "An order was paid in full.",
    "group": "Orders",
    "schema_check": "enforce",
    "schema": SCHEMA,
    "examples": [{"total": 42}],
    "deprecated": True,
}
DOCUMENT = {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "webhooks": {"imported": {"post": {}}}}


class TestRoutes(RouteCases):
    routes = (
        ApiRoute("get", "event-types/", "read", 200),
        ApiRoute("post", "event-types/", "manage", 201, {"name": "mine"}),
        ApiRoute("get", "event-types/{type}/", "read", 200),
        ApiRoute("put", "event-types/{type}/", "manage", 200, {"name": "theirs"}),
        ApiRoute("patch", "event-types/{type}/", "manage", 200, {"deprecated": True}),
        ApiRoute("get", "event-types/{type}/versions/", "read", 200),
        ApiRoute("delete", "event-types/{type}/", "manage", 204),
        ApiRoute("post", "event-types/import/", "manage", 200, {"document": DOCUMENT}),
        ApiRoute("get", "event-types/openapi/", "read", 200),
        ApiRoute("get", "event-types/asyncapi/", "read", 200),
    )

    def make_ids(self, tenant):
        return {"type": make_event_type(tenant, name="theirs").public_id}


@pytest.fixture
def tenant():
    return make_tenant()


def names(answer):
    return [it["name"] for it in answer.json()["data"]]


def test_what_is_created_is_shown_as_it_was_given(tenant):
    made = make_client(tenant).post(TYPES, FULL)
    assert made.status_code == 201
    body = make_client(tenant).get(f"{TYPES}order.paid/").json()
    assert body == made.json()
    assert {name: body[name] for name in FULL} == FULL
    assert (body["tenant"], body["version"], body["archived"]) == (tenant.public_id, 1, False)


def test_an_operator_keeps_the_deployments_types_and_tenants_see_them(tenant):
    assert make_client(None).post(TYPES, FULL).json()["tenant"] is None
    make_event_type(tenant, name="own")
    make_event_type(make_tenant(), name="others")
    assert sorted(names(make_client(tenant).get(TYPES))) == ["order.paid", "own"]
    assert make_client(tenant).get(f"{TYPES}order.paid/").status_code == 200
    for method in ("put", "patch", "delete"):
        assert getattr(make_client(tenant), method)(f"{TYPES}order.paid/", FULL).status_code == 403


def test_a_change_of_the_schema_makes_a_version(tenant):
    client = make_client(tenant)
    client.post(TYPES, FULL)
    assert client.patch(f"{TYPES}order.paid/", {"schema": {"type": "object"}}).json()["version"] == 2
    assert [it["version"] for it in client.get(f"{TYPES}order.paid/versions/").json()["data"]] == [2, 1]
    put = client.put(f"{TYPES}order.paid/", {"name": "order.paid"}).json()
    assert (put["schema"], put["version"], put["examples"], put["description"]) == (None, 0, [], "")


def test_lists_are_narrowed(tenant):
    client = make_client(tenant)
    for fields in (FULL, {"name": "refund", "archived": True}, {"name": "order.sent", "group": "Orders"}):
        client.post(TYPES, fields)
    assert names(client.get(TYPES, {"group": "Orders"})) == ["order.sent", "order.paid"]
    assert names(client.get(TYPES, {"archived": "true"})) == ["refund"]
    assert names(client.get(TYPES, {"search": "in FULL"})) == ["order.paid"]
    assert names(client.get(TYPES, {"name": "refund"})) == ["refund"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/name"),
        ({"name": 5}, "#/name"),
        ({"name": "a b"}, "#/name"),
        ({"name": "a", "description": "\x01"}, "#/description"),
        ({"name": "a", "description": "x" * 5000}, "#/description"),
        ({"name": "a", "group": "x" * 129}, "#/group"),
        ({"name": "a", "schema_check": "maybe"}, "#/schema_check"),
        ({"name": "a", "schema": "x"}, "#/schema"),
        ({"name": "a", "schema": {"properties": {"b": {"type": "objekt"}}}}, "#/schema/properties/b/type"),
        ({"name": "a", "schema": SCHEMA, "examples": [{"total": 1}, {"total": "x"}]}, "#/examples/1/total"),
        ({"name": "a", "examples": {}}, "#/examples"),
        ({"name": "a", "deprecated": "yes"}, "#/deprecated"),
        ({"name": "a", "version": 3}, "#/version"),
        ({"name": "a", "unknown": 3}, "#/unknown"),
    ],
    ids=ascii,
)
def test_bad_input_is_refused_at_its_place_and_nothing_is_written(tenant, body, pointer):
    answer = make_client(tenant).post(TYPES, body)
    assert answer.status_code == 400, answer.content
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not EventType.objects.exists()


def test_a_name_that_is_taken_is_a_conflict(tenant):
    client = make_client(tenant)
    client.post(TYPES, FULL)
    answer = client.post(TYPES, FULL)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (409, "name")


def test_an_export_shows_the_tenants_own_before_the_deployments_and_nothing_archived(tenant):
    make_event_type(name="order.paid", description="the deployment's")
    make_event_type(tenant, name="order.paid", description="its own")
    make_event_type(name="old", archived=True)
    document = make_client(tenant).get(f"{TYPES}openapi/").json()
    OpenAPIV31SpecValidator(document).validate()
    assert {name: it["post"]["description"] for name, it in document["webhooks"].items()} == {"order.paid": "its own"}
