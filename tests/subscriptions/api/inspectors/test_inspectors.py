"""Request inspectors over REST."""

from typing import Any

import pytest

from subscriptions.inspectors.inspectors import create_inspector
from subscriptions.inspectors.requests import Arrival, keep_request
from subscriptions.models import Inspector, Tenant
from tests.factories import client_with, make_client, make_endpoint, make_key, make_tenant
from tests.routes import ApiRoute, RouteCases
from tests.subscriptions.api.problems import invalid_fields

pytestmark = pytest.mark.django_db

API = "/api/v1/inspectors/"


class TestInspectorRoutes(RouteCases):
    routes = (
        ApiRoute("get", "inspectors/", "read", 200),
        ApiRoute("post", "inspectors/", "manage", 201, {}),
        ApiRoute("get", "inspectors/{inspector}/", "read", 200),
        ApiRoute("patch", "inspectors/{inspector}/", "manage", 200, {"response_status": 503}),
        ApiRoute("delete", "inspectors/{inspector}/", "manage", 204),
        ApiRoute("get", "inspectors/{inspector}/requests/", "read", 200),
    )

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        return {"inspector": create_inspector(tenant).public_id}


def test_new_inspector_has_its_addresses_and_expires_in_a_day() -> None:
    made = make_client(make_tenant()).post(API, {"name": "Shop"}).json()
    inspector = Inspector.objects.get()
    assert made["url"].endswith(f"/inspect/{inspector.token}/")
    assert made["page_url"].endswith(f"/inspectors/{inspector.page_token}/")
    assert (inspector.expires_at - inspector.created_at).total_seconds() == pytest.approx(86_400, abs=60)
    assert (made["response_status"], made["response_delay_ms"]) == (200, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("response_status", 199),
        ("response_status", 600),
        ("response_delay_ms", 20_001),
        ("response_delay_ms", -1),
        ("expires_in", 59),
        ("expires_in", 7 * 86_400 + 1),
        ("url", "https://example.com/"),
        ("response_state", 200),
    ],
)
def test_invalid_field_is_named(field: str, value: Any) -> None:
    response = make_client(make_tenant()).post(API, {field: value})
    assert invalid_fields(response) == [field]


def test_one_inspector_too_many_is_a_conflict() -> None:
    tenant = make_tenant()
    client = make_client(tenant)
    assert {client.post(API, {}).status_code for _ in range(10)} == {201}
    response = client.post(API, {})
    assert response.status_code == 409
    assert "10 inspectors" in response.content.decode()


def test_change_applies_to_the_next_response() -> None:
    tenant = make_tenant()
    client, inspector = make_client(tenant), create_inspector(tenant)
    changed = client.patch(f"{API}{inspector.public_id}/", {"response_status": 503})
    assert changed.json()["response_status"] == 503
    assert client.patch(f"{API}{inspector.public_id}/", {"expires_in": 600}).status_code == 400
    assert client.post(f"/inspect/{inspector.token}/", {"a": 1}).status_code == 503
    assert client.get(f"{API}{inspector.public_id}/requests/").json()["data"][0]["response_status"] == 503
    assert "responded 503" in client.get(f"/inspectors/{inspector.page_token}/").content.decode()


def test_requests_are_listed_newest_first_with_text_or_base64() -> None:
    tenant = make_tenant()
    inspector = create_inspector(tenant)
    keep_request(inspector, Arrival("POST", "/a", {"x-a": "b"}, b'{"a":1}'))
    keep_request(inspector, Arrival("PUT", "/b", {}, b"\xff"))
    keep_request(create_inspector(tenant), Arrival("POST", "/c", {}, b""))
    second, first = make_client(tenant).get(f"{API}{inspector.public_id}/requests/").json()["data"]
    assert (first["method"], first["path"], first["headers"]) == ("POST", "/a", {"x-a": "b"})
    assert (first["body"], first["body_base64"], first["body_bytes"]) == ('{"a":1}', None, 7)
    assert (second["body"], second["body_base64"], second["is_verified"]) == (None, "/w==", None)


def test_character_that_is_cut_in_the_middle_is_left_out() -> None:
    tenant = make_tenant()
    inspector = create_inspector(tenant)
    keep_request(inspector, Arrival("POST", "/", {}, b"a" * 65_535 + "é".encode()))
    (listed,) = make_client(tenant).get(f"{API}{inspector.public_id}/requests/").json()["data"]
    assert (listed["body"], listed["body_bytes"]) == ("a" * 65_535, 65_537)


def test_key_that_is_limited_to_an_endpoint_is_refused() -> None:
    endpoint = make_endpoint()
    client = client_with(make_key(endpoint.tenant, "read", "manage", endpoint=endpoint)[1])
    assert [client.get(API).status_code, client.post(API, {}).status_code] == [403, 403]
