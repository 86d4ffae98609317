from datetime import UTC, datetime

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from delivery.api.publishing.events import Events
from subscriptions.api.endpoints import Endpoints
from subscriptions.api.serializers.subscriptions import SubscriptionSerializer
from tests.delivery.factories import make_event
from tests.factories import make_client, make_endpoint, make_tenant
from webhooks.wire.deprecation import Deprecation

pytestmark = pytest.mark.django_db

API = "/api/v1/"
GOING = Deprecation(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), "https://example.com/why")
SAID = {
    "Deprecation": "@1767225600",
    "Sunset": "Fri, 01 Jan 2027 00:00:00 GMT",
    "Link": '<https://example.com/why>; rel="deprecation"; type="text/html"',
}


def said(answer):
    return {name: answer[name] for name in SAID if name in answer}


# --- what is known already is not sent again


@pytest.mark.parametrize("path", ["endpoints/{endpoint}/", "endpoints/", "events/{event}/", "schema/"])
def test_who_has_it_gets_a_304(path):
    endpoint = make_endpoint()
    event = make_event(endpoint.tenant)
    client = make_client(endpoint.tenant)
    address = API + path.format(endpoint=endpoint.public_id, event=event.public_id)
    first = client.get(address)
    again = client.get(address, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert client.get(address, headers={"If-None-Match": '"another"'}).status_code == 200


def test_what_was_changed_is_sent_again():
    endpoint = make_endpoint()
    client, path = make_client(endpoint.tenant), f"{API}endpoints/{endpoint.public_id}/"
    before = client.get(path)["ETag"]
    client.patch(path, {"description": "Another"})
    assert client.get(path, headers={"If-None-Match": before}).status_code == 200


def test_a_problem_has_no_tag_and_is_always_sent():
    answer = make_client(make_tenant()).get(f"{API}endpoints/nothing/", headers={"If-None-Match": "*"})
    assert answer.status_code == 404
    assert "ETag" not in answer


# --- what will go away says so


def test_nothing_is_deprecated_by_itself():
    assert said(make_client(make_tenant()).get(f"{API}endpoints/")) == {}


@pytest.mark.parametrize("view", [Endpoints, Events])
def test_a_view_that_will_go_away_says_so_in_every_answer(view, monkeypatch):
    monkeypatch.setattr(view, "deprecation", GOING, raising=False)
    path = f"{API}{view.__name__.lower()}/"
    client = make_client(make_tenant())
    assert said(client.get(path)) == said(client.post(path, {})) == said(APIClient().get(path)) == SAID


def test_a_field_that_will_go_away_says_so_to_those_who_send_it(monkeypatch):
    monkeypatch.setattr(SubscriptionSerializer, "deprecated_fields", {"pattern": GOING}, raising=False)
    endpoint = make_endpoint()
    client = make_client(endpoint.tenant)
    body = {"endpoint": endpoint.public_id}
    assert said(client.post(f"{API}subscriptions/", body)) == {}
    assert said(client.post(f"{API}subscriptions/", {**body, "pattern": None})) == SAID


def test_the_last_headers_are_left_out_where_nothing_is_decided():
    assert Deprecation(datetime(2026, 1, 1, tzinfo=UTC)).headers() == {"Deprecation": "@1767225600"}


# --- every problem is one


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/api", {}, 404),
        ("GET", "/api/v2/endpoints/", {}, 404),
        ("GET", "/api/v1/endpoints", {}, 404),
        ("POST", "/api/v1/usage/", {}, 405),
        ("BREW", "/api/v1/endpoints/", {}, 405),
        ("GET", "/api/v1/endpoints/", {"Accept": "image/png"}, 406),
        ("POST", "/api/v1/endpoints/", {"Content-Type": "text/plain"}, 415),
    ],
)
def test_every_error_below_the_api_is_a_problem(method, path, headers, status):
    client = make_client(make_tenant())
    content_type = headers.pop("Content-Type", "application/json") if headers else "application/json"
    answer = client.generic(method, path, b"{}", content_type, headers=headers)
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status


# --- and the description of the API says so


@pytest.fixture(scope="module")
def operations():
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return {(method, path): operation for path, item in paths.items() for method, operation in item.items()}


def taken(operation):
    return {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "header"}


def test_every_operation_with_a_key_describes_the_headers_of_its_kind(operations):
    wanted = {
        "post": ("Idempotency-Key", "422"),
        "put": ("If-Match", "412"),
        "patch": ("If-Match", "412"),
        "delete": ("If-Match", "412"),
        "get": ("If-None-Match", "304"),
    }
    for (method, path), operation in operations.items():
        if any(operation.get("security", ())):
            header, status = wanted[method]
            assert header in taken(operation), (method, path)
            assert status in operation["responses"], (method, path)


def test_the_limits_of_a_plan_are_described_where_they_are_met(operations):
    assert {"402", "413", "429"} <= operations["post", f"{API}events/"]["responses"].keys()
    assert "402" in operations["post", f"{API}endpoints/"]["responses"]


def test_what_is_deprecated_is_described_as_such(monkeypatch):
    monkeypatch.setattr(Endpoints, "deprecation", GOING, raising=False)
    monkeypatch.setattr(SubscriptionSerializer, "deprecated_fields", {"pattern": GOING}, raising=False)
    schema = SchemaGenerator().get_schema(request=None, public=True)
    assert schema["paths"][f"{API}endpoints/"]["get"]["deprecated"] is True
    assert "deprecated" not in schema["paths"][f"{API}subscriptions/"]["get"]
    properties = schema["components"]["schemas"]["Subscription"]["properties"]
    assert [name for name, form in properties.items() if form.get("deprecated")] == ["pattern"]
