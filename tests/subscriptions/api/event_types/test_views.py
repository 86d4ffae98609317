"""Event types over REST: those of the deployment, and those of a tenant."""

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


def names(response):
    return [it["name"] for it in response.json()["data"]]


EXACT_SCHEMA = (
    '{"type":"object","properties":{"total":{"minimum":0.1000000000000000055,"maximum":18446744073709551617},'
    '"price":{"multipleOf":0.010}}}'
)
EXACT_EXAMPLES = '[{"total":18446744073709551616,"price":1.10}]'


def test_numbers_of_schemas_and_examples_come_out_as_they_went_in(tenant):
    client = make_client(tenant)
    sent = f'{{"name":"order.paid","schema":{EXACT_SCHEMA},"examples":{EXACT_EXAMPLES}}}'
    created = client.generic("POST", TYPES, sent, "application/json")
    assert created.status_code == 201, created.content
    for response in (created, client.get(f"{TYPES}order.paid/"), client.get(TYPES)):
        assert f'"schema":{EXACT_SCHEMA}' in response.content.decode()
        assert f'"examples":{EXACT_EXAMPLES}' in response.content.decode()
    assert f'"schema":{EXACT_SCHEMA}' in client.get(f"{TYPES}order.paid/versions/").content.decode()
    for name in ("openapi", "asyncapi"):
        document = client.get(f"{TYPES}{name}/").content.decode()
        assert '"minimum":0.1000000000000000055,"maximum":18446744073709551617' in document
        assert '"total":18446744073709551616,"price":1.10' in document
    again = client.generic("PATCH", f"{TYPES}order.paid/", f'{{"schema":{EXACT_SCHEMA}}}', "application/json")
    assert again.json()["version"] == 1  # unchanged
    other = EXACT_SCHEMA.replace("617", "618")
    changed = client.generic("PATCH", f"{TYPES}order.paid/", f'{{"schema":{other}}}', "application/json")
    assert changed.json()["version"] == 2


def test_numbers_of_an_imported_document_come_out_as_they_went_in(tenant):
    client = make_client(tenant)
    media = f'{{"application/json":{{"schema":{EXACT_SCHEMA},"examples":{{"a":{{"value":{EXACT_EXAMPLES[1:-1]}}}}}}}}}'
    webhook = f'{{"post":{{"requestBody":{{"content":{media}}}}}}}'
    document = f'{{"openapi":"3.1.0","webhooks":{{"order.paid":{webhook}}}}}'
    client.generic("POST", f"{TYPES}import/", f'{{"document":{document}}}', "application/json")
    shown = client.get(f"{TYPES}order.paid/").content.decode()
    assert f'"schema":{EXACT_SCHEMA}' in shown
    assert f'"examples":{EXACT_EXAMPLES}' in shown


def test_example_beyond_an_exact_limit_of_its_schema_is_refused(tenant):
    examples = EXACT_EXAMPLES.replace("616", "618")
    sent = f'{{"name":"order.paid","schema":{EXACT_SCHEMA},"examples":{examples}}}'
    refused = make_client(tenant).generic("POST", TYPES, sent, "application/json")
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "examples"


def test_created_type_is_returned_as_it_was_given(tenant):
    created = make_client(tenant).post(TYPES, FULL)
    assert created.status_code == 201
    body = make_client(tenant).get(f"{TYPES}order.paid/").json()
    assert body == created.json()
    assert {name: body[name] for name in FULL} == FULL
    assert (body["tenant"], body["version"], body["archived"]) == (tenant.public_id, 1, False)


def test_deployment_types_are_read_by_tenants_and_written_by_operators(tenant):
    assert make_client(None).post(TYPES, FULL).json()["tenant"] is None
    make_event_type(tenant, name="own")
    make_event_type(make_tenant(), name="others")
    shown = names(make_client(tenant).get(TYPES))
    assert sorted(it for it in shown if not it.startswith("waypost.")) == ["order.paid", "own"]
    assert make_client(tenant).get(f"{TYPES}order.paid/").status_code == 200
    for method, body in (("put", FULL), ("patch", FULL), ("delete", None)):
        assert getattr(make_client(tenant), method)(f"{TYPES}order.paid/", body).status_code == 403


def test_change_of_the_schema_creates_a_version(tenant):
    client = make_client(tenant)
    client.post(TYPES, FULL)
    assert client.patch(f"{TYPES}order.paid/", {"schema": {"type": "object"}}).json()["version"] == 2
    assert [it["version"] for it in client.get(f"{TYPES}order.paid/versions/").json()["data"]] == [2, 1]
    put = client.put(f"{TYPES}order.paid/", {"name": "order.paid"}).json()
    assert (put["schema"], put["version"], put["examples"], put["description"]) == (None, 0, [], "")


def test_list_is_filtered(tenant):
    client = make_client(tenant)
    for fields in (FULL, {"name": "refund", "archived": True}, {"name": "order.sent", "group": "Orders"}):
        client.post(TYPES, fields)
    assert names(client.get(TYPES, {"group": "Orders"})) == ["order.sent", "order.paid"]
    assert names(client.get(TYPES, {"archived": "true"})) == ["refund"]
    assert names(client.get(TYPES, {"q": "paid in FULL"})) == ["order.paid"]
    assert names(client.get(TYPES, {"name": "refund"})) == ["refund"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#/name"),
        ({"name": 5}, "#/name"),
        ({"name": "a*b"}, "#/name"),
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
def test_invalid_type_is_a_400_with_a_pointer_and_writes_nothing(tenant, body, pointer):
    response = make_client(tenant).post(TYPES, body)
    assert response.status_code == 400, response.content
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]
    assert not EventType.objects.exists()


def test_name_in_use_is_a_409(tenant):
    client = make_client(tenant)
    client.post(TYPES, FULL)
    response = client.post(TYPES, FULL)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (409, "name")


def test_export_prefers_the_tenants_type_and_omits_archived_ones(tenant):
    make_event_type(name="order.paid", description="the deployment's")
    make_event_type(tenant, name="order.paid", description="its own")
    make_event_type(name="old", archived=True)
    document = make_client(tenant).get(f"{TYPES}openapi/").json()
    OpenAPIV31SpecValidator(document).validate()
    assert {name: it["post"]["description"] for name, it in document["webhooks"].items()} == {"order.paid": "its own"}


def test_operational_type_has_one_version(tenant):
    client = make_client(tenant)
    shown = client.get(f"{TYPES}waypost.endpoint.disabled/versions/")
    assert shown.status_code == 200
    assert [it["version"] for it in shown.json()["data"]] == [1]
    assert shown.json()["next"] is None
    assert client.get(f"{TYPES}waypost.endpoint.disabled/versions/?limit=x").status_code == 400
