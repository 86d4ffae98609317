"""The catalogue: its pages and documents, who may read them, and that they load nothing from other hosts."""

import re
from base64 import b64encode

import jsonschema_rs
import pytest
from django.test import Client, override_settings
from openapi_spec_validator import OpenAPIV31SpecValidator

from subscriptions.event_types import registry
from subscriptions.event_types.json_schema import schema_check
from subscriptions.event_types.operational import TYPES
from tests.factories import make_event_type, make_key, make_tenant

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"
SCHEMA = {
    "type": "object",
    "required": ["lines"],
    "properties": {
        "lines": {"type": "array", "description": "What was bought.", "items": {"$ref": "#/$defs/Line"}},
        "state": {"enum": ["new", "paid"]},
    },
    "$defs": {"Line": {"type": "object", "properties": {"sku": {"type": "string"}, "part": {"$ref": "#/$defs/Line"}}}},
}


def page(path="/catalogue/", **headers):
    response = Client().get(path, headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def test_catalogue_lists_types_by_group_and_search():
    make_event_type(name="order.paid", group="Orders", description="An order was paid.")
    make_event_type(name="user.left", deprecated=True)
    make_event_type(name="old.news", archived=True)
    shown = page()
    assert shown.index("Orders") < shown.index("order.paid") < shown.index("Other") < shown.index("user.left")
    assert "deprecated" in shown
    assert "old.news" not in shown
    assert "user.left" not in page("/catalogue/?q=PAID")
    assert "No event types match" in page("/catalogue/?q=zzz")


def test_page_of_a_type_shows_fields_example_and_how_to_subscribe():
    make_event_type(name="order.paid", schema=SCHEMA, examples=[{"lines": [{"sku": "a"}], "state": "paid"}])
    shown = page("/catalogue/order.paid/")
    for part in (
        "list of object",
        "required",
        "What was bought.",
        "new, paid",
        "sku",
        "&quot;specversion&quot;",
        "curl ",
    ):
        assert part in shown


def test_schema_is_served_by_version():
    row = make_event_type(name="order.paid", schema=SCHEMA)
    registry.change(row, {"schema": {}})
    assert Client().get("/catalogue/order.paid/1.json").json() == SCHEMA
    assert Client().get("/catalogue/order.paid/2.json").json() == {}
    assert Client().get("/catalogue/order.paid/3.json").status_code == 404
    assert Client().get("/catalogue/nothing/").status_code == 404


def test_pages_escape_texts_and_load_nothing_from_other_hosts():
    make_event_type(
        name="order.paid", description=HOSTILE, group=HOSTILE, examples=[HOSTILE], schema={"description": HOSTILE}
    )
    for path in ("/catalogue/", "/catalogue/order.paid/", "/catalogue/?q=" + HOSTILE):
        response = Client().get(path)
        text = response.content.decode()
        assert HOSTILE not in text
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)
        assert "default-src 'self'" in response["Content-Security-Policy"]


def test_documents_are_valid_and_contain_every_type():
    make_event_type(name="order.paid", schema=SCHEMA, examples=[{"lines": []}], group="Orders", description="Paid.")
    make_event_type(name="bare")
    document = Client().get("/catalogue/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    assert [*document["webhooks"]] == ["bare", "order.paid", *sorted(TYPES)]
    media = document["webhooks"]["order.paid"]["post"]["requestBody"]["content"]["application/cloudevents+json"]
    assert jsonschema_rs.is_valid(media["schema"], media["examples"]["example1"]["value"])
    messages = Client().get("/catalogue/asyncapi.json").json()["components"]["messages"]
    payload = messages["order.paid"]["payload"]["schema"]
    assert jsonschema_rs.is_valid(payload, messages["order.paid"]["examples"][0]["payload"])


class TestAccess:
    def test_catalogue_shows_deployment_types_and_with_a_key_the_tenants(self):
        tenant = make_tenant()
        make_event_type(name="for.all")
        make_event_type(tenant, name="own.type")
        make_event_type(make_tenant(), name="others.type")
        assert "own.type" not in page()
        shown = page(Authorization=f"Bearer {make_key(tenant)[1]}")
        assert "own.type" in shown
        assert "for.all" in shown
        assert "others.type" not in shown

    def test_catalogue_with_the_setting_requires_a_key(self):
        key = make_key(make_tenant(), "read")[1]
        as_password = "Basic " + b64encode(f"any-user:{key}".encode()).decode()
        with override_settings(WAYPOST_CATALOGUE="key"):
            for path in ("/catalogue/", "/catalogue/x/", "/catalogue/openapi.json", "/catalogue/asyncapi.json"):
                response = Client().get(path)
                assert (response.status_code, response["WWW-Authenticate"][:5]) == (401, "Basic")
            page(Authorization=f"Bearer {key}")
            page(Authorization=as_password)

    @pytest.mark.parametrize("given", ["Bearer wp_nothing", "Basic !!!", "Basic " + b64encode(b"a:b").decode()])
    def test_invalid_key_is_a_401(self, given):
        assert Client().get("/catalogue/", headers={"Authorization": given}).status_code == 401

    def test_key_without_the_scope_read_is_a_401(self):
        key = make_key(make_tenant(), "publish")[1]
        assert Client().get("/catalogue/", headers={"Authorization": f"Bearer {key}"}).status_code == 401


def test_page_without_a_key_is_made_once_until_a_type_changes(django_assert_num_queries):
    make_event_type(name="order.paid")
    assert "order.paid" in page()
    with django_assert_num_queries(0):
        assert "order.paid" in page()
    make_event_type(name="order.shipped")
    schema_check.clear_cache()  # as a second later
    assert "order.shipped" in page()


@pytest.mark.parametrize("path", ["order.paid/", "order.paid/1.json", "openapi.json", "asyncapi.json"])
def test_query_that_a_page_does_not_read_makes_no_new_page(path, django_assert_num_queries):
    make_event_type(name="order.paid", schema=SCHEMA)
    shown = page(f"/catalogue/{path}")
    with django_assert_num_queries(0):
        assert page(f"/catalogue/{path}?x=1&q=2") == shown


def test_page_of_a_type_lists_all_versions_and_each_is_read():
    row = make_event_type(name="order.paid", schema=SCHEMA)
    registry.change(row, {"schema": {"type": "object"}})
    shown = page("/catalogue/order.paid/")
    assert all(f"/catalogue/order.paid/{version}.json" in shown for version in (1, 2))
    assert '"lines"' in page("/catalogue/order.paid/1.json")
    assert Client().get("/catalogue/order.paid/3.json").status_code == 404


def test_events_of_the_platform_itself_stand_in_the_catalogue():
    page = Client().get("/catalogue/").content.decode()
    assert "waypost.endpoint.disabled" in page
    shown = Client().get("/catalogue/waypost.delivery.dead/").content.decode()
    assert "A delivery was given up" in shown
    assert "dead_letter" in shown
    document = Client().get("/catalogue/openapi.json").json()
    assert "waypost.delivery.dead" in document["webhooks"]
    assert Client().get("/catalogue/waypost.delivery.dead/1.json").json()["type"] == "object"
