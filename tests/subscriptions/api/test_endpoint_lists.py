"""The list of endpoints is filtered, and an endpoint is put in place by its uid."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from subscriptions.models import Endpoint, Tenant
from tests.factories import URL, client_with, make_client, make_endpoint, make_key, make_tenant
from webhooks.kit.encryption import decrypt
from webhooks.wire.signing.keys import new_secret

pytestmark = pytest.mark.django_db

ENDPOINTS = "/api/v1/endpoints/"


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def client(tenant: Tenant) -> APIClient:
    return make_client(tenant)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"uid": "erp"}, {"erp"}),
        ({"url": "erp.example.com/Hooks"}, {"erp"}),
        ({"q": "BILLING"}, {"billing"}),
        ({"state": "paused"}, {"billing"}),
        ({"since": "2020-01-01T00:00:00Z"}, {"erp", "billing"}),
        ({"until": "2020-01-01T00:00:00Z"}, set()),
    ],
)
def test_list_is_filtered(client: APIClient, tenant: Tenant, query: dict[str, str], found: set[str]) -> None:
    make_endpoint(tenant, uid="erp", url="https://erp.example.com/hooks")
    make_endpoint(tenant, uid="billing", state="paused", description="Billing of Acme")
    make_endpoint(uid="erp", url="https://erp.example.com/hooks", description="billing")
    rows = client.get(ENDPOINTS, query).json()["data"]
    assert {row["uid"] for row in rows} == found


def put(client: APIClient, body: dict[str, Any], uid: str = "erp") -> Any:
    return client.put(f"{ENDPOINTS}{uid}/", body)


def test_put_to_a_free_uid_creates_the_endpoint_with_its_secret(client: APIClient) -> None:
    created = put(client, {"url": URL, "labels": {"env": "prod"}})
    assert (created.status_code, created.json()["uid"]) == (201, "erp")
    assert decrypt(Endpoint.objects.get().secrets.get().ciphertext) == created.json()["secret"]
    assert client.get(created["Location"]).json()["labels"] == {"env": "prod"}


def test_put_repeated_replaces_the_endpoint_and_keeps_uid_and_secret(client: APIClient) -> None:
    body = {"url": URL, "secret": new_secret(), "description": "ERP"}
    created, again = put(client, body), put(client, body)
    assert (created.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == created.json()["id"]
    shorter = put(client, {"url": URL}).json()
    assert (shorter["uid"], shorter["description"]) == ("erp", "")
    assert Endpoint.objects.get().secrets.count() == 1


def test_put_with_another_secret_is_refused(client: APIClient) -> None:
    put(client, {"url": URL})
    refused = put(client, {"url": URL, "secret": new_secret()})
    assert (refused.status_code, [it["field"] for it in refused.json()["errors"]]) == (400, ["secret"])


def test_put_to_an_unknown_id_is_a_404_and_with_another_uid_a_400(client: APIClient) -> None:
    assert put(client, {"url": URL}, "ep_01m83t2ghzevcannga6my0tf3k").status_code == 404
    assert put(client, {"url": URL, "uid": "other"}).status_code == 400
    assert not Endpoint.objects.exists()


def test_put_by_a_platform_key_needs_the_tenant(tenant: Tenant) -> None:
    platform = make_client(None)
    assert [it["field"] for it in put(platform, {"url": URL}).json()["errors"]] == ["tenant"]
    created = platform.put(f"{ENDPOINTS}erp/", {"url": URL}, headers={"Waypost-Tenant": tenant.public_id})
    assert (created.status_code, created.json()["tenant"]) == (201, tenant.public_id)


def test_put_creates_nothing_by_a_key_that_is_limited_to_one_endpoint(tenant: Tenant) -> None:
    _, key = make_key(tenant, "read", "manage", endpoint=make_endpoint(tenant, uid="own"))
    limited = client_with(key)
    assert put(limited, {"url": URL}, "new").status_code == 403
    assert put(limited, {"url": URL}, "own").status_code == 200
