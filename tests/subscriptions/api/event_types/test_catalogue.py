"""The catalogue: what is in it, who may see it, and that nothing on it comes from elsewhere."""

import re
from base64 import b64encode

import jsonschema_rs
import pytest
from django.test import Client, override_settings
from openapi_spec_validator import OpenAPIV31SpecValidator

from subscriptions.event_types import registry
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
    answer = Client().get(path, headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


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


def test_a_type_shows_its_fields_an_example_and_how_to_subscribe():
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


def test_a_schema_can_be_read_by_its_version():
    row = make_event_type(name="order.paid", schema=SCHEMA)
    registry.change(row, {"schema": {}})
    assert Client().get("/catalogue/order.paid/1.json").json() == SCHEMA
    assert Client().get("/catalogue/order.paid/2.json").json() == {}
    assert Client().get("/catalogue/order.paid/3.json").status_code == 404
    assert Client().get("/catalogue/nothing/").status_code == 404


def test_what_it_shows_is_escaped_and_comes_from_no_other_host():
    make_event_type(
        name="order.paid", description=HOSTILE, group=HOSTILE, examples=[HOSTILE], schema={"description": HOSTILE}
    )
    for path in ("/catalogue/", "/catalogue/order.paid/", "/catalogue/?q=" + HOSTILE):
        answer = Client().get(path)
        text = answer.content.decode()
        assert HOSTILE not in text
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)
        assert "default-src 'self'" in answer["Content-Security-Policy"]


def test_the_documents_are_valid_openapi_and_name_every_type():
    make_event_type(name="order.paid", schema=SCHEMA, examples=[{"lines": []}], group="Orders", description="Paid.")
    make_event_type(name="bare")
    document = Client().get("/catalogue/openapi.json").json()
    OpenAPIV31SpecValidator(document).validate()
    assert list(document["webhooks"]) == ["bare", "order.paid"]
    media = document["webhooks"]["order.paid"]["post"]["requestBody"]["content"]["application/cloudevents+json"]
    assert jsonschema_rs.is_valid(media["schema"], media["examples"]["example1"]["value"])
    messages = Client().get("/catalogue/asyncapi.json").json()["components"]["messages"]
    payload = messages["order.paid"]["payload"]["schema"]
    assert jsonschema_rs.is_valid(payload, messages["order.paid"]["examples"][0]["payload"])


class TestWhoMaySeeIt:
    def test_everybody_sees_the_deployments_types_and_a_tenant_its_own_too(self):
        tenant = make_tenant()
        make_event_type(name="for.all")
        make_event_type(tenant, name="own.type")
        make_event_type(make_tenant(), name="others.type")
        assert "own.type" not in page()
        shown = page(Authorization=f"Bearer {make_key(tenant)[1]}")
        assert "own.type" in shown
        assert "for.all" in shown
        assert "others.type" not in shown

    def test_with_the_setting_it_opens_with_a_key_only(self):
        key = make_key(make_tenant(), "read")[1]
        as_password = "Basic " + b64encode(f"anybody:{key}".encode()).decode()
        with override_settings(WAYPOST_CATALOGUE="key"):
            for path in ("/catalogue/", "/catalogue/x/", "/catalogue/openapi.json", "/catalogue/asyncapi.json"):
                answer = Client().get(path)
                assert (answer.status_code, answer["WWW-Authenticate"][:5]) == (401, "Basic")
            page(Authorization=f"Bearer {key}")
            page(Authorization=as_password)

    @pytest.mark.parametrize("given", ["Bearer wp_nothing", "Basic !!!", "Basic " + b64encode(b"a:b").decode()])
    def test_a_key_that_opens_nothing_opens_nothing(self, given):
        assert Client().get("/catalogue/", headers={"Authorization": given}).status_code == 401

    def test_a_key_that_may_not_read_opens_nothing(self):
        key = make_key(make_tenant(), "publish")[1]
        assert Client().get("/catalogue/", headers={"Authorization": f"Bearer {key}"}).status_code == 401
