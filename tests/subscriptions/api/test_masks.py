"""Masks over REST: checked with a pointer to the part at fault, and cleared endpoints only by the platform's keys."""

from typing import Any

import pytest

from subscriptions.models import Endpoint, Tenant
from tests.factories import make_client, make_endpoint, make_event_type, make_tenant

pytestmark = pytest.mark.django_db

API = "/api/v1"
MASK = [{"path": "$.data.email", "action": "mask"}]


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def test_masks_of_an_event_type_are_stored_replaced_and_checked(tenant: Tenant) -> None:
    client = make_client(tenant)
    made = client.post(f"{API}/event-types/", {"name": "user.created", "masks": MASK})
    assert (made.status_code, made.json()["masks"]) == (201, MASK)
    wrong = client.patch(f"{API}/event-types/user.created/", {"masks": [*MASK, {"path": "$.id", "action": "mask"}]})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "#/masks/1/path")
    assert client.put(f"{API}/event-types/user.created/", {"name": "user.created"}).json()["masks"] == []


def test_masks_of_an_endpoint_are_stored_replaced_and_checked(tenant: Tenant) -> None:
    client, endpoint = make_client(tenant), make_endpoint(tenant)
    path = f"{API}/endpoints/{endpoint.public_id}/"
    assert client.patch(path, {"masks": MASK}).json()["masks"] == MASK
    wrong = client.patch(path, {"masks": [{"path": "$.data.a", "action": "drop"}]})
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "#/masks/0/action")
    linked = client.patch(path, {"content_mode": "reference"})
    assert (linked.status_code, linked.json()["errors"][0]["pointer"]) == (400, "#/masks")


def test_only_a_platform_key_clears_an_endpoint(tenant: Tenant) -> None:
    endpoint = make_endpoint(tenant)
    path = f"{API}/endpoints/{endpoint.public_id}/"
    refused = make_client(tenant).patch(path, {"unmasked": True})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "#/unmasked")
    assert make_client().patch(path, {"unmasked": True}).json()["unmasked"] is True
    assert make_client(tenant).patch(path, {"unmasked": True, "description": "x"}).status_code == 200
    assert make_client(tenant).patch(path, {"unmasked": False}).json()["unmasked"] is False
    created = {"url": "https://example.com/", "unmasked": True}
    assert make_client(tenant).post(f"{API}/endpoints/", created).status_code == 400
    assert make_client().post(f"{API}/endpoints/?tenant={tenant.public_id}", created).status_code == 201


def test_masking_keys_are_those_of_the_caller(tenant: Tenant) -> None:
    endpoint, other = make_endpoint(tenant), make_endpoint(tenant)
    client = make_client(tenant)

    def key(of: Endpoint, given: Any = client) -> dict[str, str]:
        (found,) = given.get(f"{API}/endpoints/{of.public_id}/masking-keys/").json()["data"]
        return dict(found)

    assert key(endpoint)["key_id"] == endpoint.public_id
    assert key(endpoint) == key(endpoint)
    assert key(endpoint)["key"] != key(other)["key"]
    own = client.get(f"{API}/masking-keys/").json()["data"]
    all_keys = make_client().get(f"{API}/masking-keys/?tenant={tenant.public_id}").json()["data"]
    assert [it["key_id"] for it in own] == [tenant.public_id]
    assert all_keys[0] == own[0]
    assert all_keys[1]["key_id"] == f"platform_{tenant.public_id}"
    assert make_client(make_tenant()).get(f"{API}/endpoints/{endpoint.public_id}/masking-keys/").status_code == 404
    assert make_client(tenant, "read").get(f"{API}/masking-keys/").status_code == 403


def test_key_is_rotated_and_older_ones_stay(tenant: Tenant) -> None:
    client = make_client(tenant)
    path = f"{API}/endpoints/{make_endpoint(tenant, uid='partner').public_id}/masking-keys/"
    (first,) = client.get(path).json()["data"]
    made = client.post(path)
    assert made.status_code == 201
    current, older = client.get(path).json()["data"]
    assert current == made.json()
    assert (current["key_id"], current["is_current"]) == (f"{first['key_id']}.2", True)
    assert older == {**first, "is_current": False}
    assert current["key"] != older["key"]
    assert make_client(tenant, "read").post(path).status_code == 403
    assert make_client(make_tenant()).post(path).status_code == 404


def test_only_a_platform_key_rotates_the_key_of_the_platforms_types(tenant: Tenant) -> None:
    client, path = make_client(tenant), f"{API}/masking-keys/"
    refused = client.post(path, {"of_platform": True})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "#/of_platform")
    assert client.post(path, {}).json()["key_id"] == f"{tenant.public_id}.2"
    made = make_client().post(f"{path}?tenant={tenant.public_id}", {"of_platform": True}).json()
    assert made["key_id"] == f"platform_{tenant.public_id}.2"
    names = [it["key_id"] for it in make_client().get(f"{path}?tenant={tenant.public_id}").json()["data"]]
    own, platform = tenant.public_id, f"platform_{tenant.public_id}"
    assert names == [f"{own}.2", own, f"{platform}.2", platform]


def test_dry_run_and_explanation_show_the_masks(tenant: Tenant) -> None:
    make_event_type(tenant, name="user.created", masks=MASK)
    endpoint = make_endpoint(tenant, masks=[{"path": "$.data.lines[*].iban", "action": "remove"}])
    client = make_client(tenant)
    data = {"email": "ada@example.com", "lines": [{"iban": "1"}, {"iban": "2"}]}
    body = {"endpoint": endpoint.public_id, "event": {"type": "user.created", "data": data}}
    (result,) = client.post(f"{API}/subscriptions/test/", body).json()["data"]
    assert [(it["action"], it["by"], it["values"]) for it in result["masks"]] == [
        ("mask", "event_type", 1),
        ("remove", "endpoint", 2),
    ]
    assert result["request"]["body"].endswith('"data":{"email":"***","lines":[{},{}]}}')
    published = client.post(f"{API}/events/", body["event"]).json()
    (explained,) = client.get(f"{API}/events/{published['id']}/explain/").json()["data"]
    assert [it["by"] for it in explained["masks"]] == ["event_type", "endpoint"]
    (stored,) = client.post(f"{API}/subscriptions/test/", {**body, "event": published["id"]}).json()["data"]
    assert [it["by"] for it in stored["masks"]] == ["endpoint"]
