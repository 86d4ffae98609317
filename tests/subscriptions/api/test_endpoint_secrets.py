"""Signing secrets of an endpoint over REST."""

import pytest

from subscriptions.endpoints.signing_secrets import rotate_secret
from subscriptions.models import Tenant
from subscriptions.routing.targets import load_targets
from tests.factories import make_client, make_endpoint, make_tenant
from tests.routes import ApiRoute, RouteCases
from tests.subscriptions.api.problems import invalid_fields
from webhooks.wire.errors import SignatureError
from webhooks.wire.signing.keys import new_secret
from webhooks.wire.signing.standard_webhooks import verify

pytestmark = pytest.mark.django_db

API = "/api/v1/"


def test_rotation_shows_the_new_secret_once_and_lists_both():
    tenant = make_tenant()
    path = f"{API}endpoints/{make_endpoint(tenant, uid='main').uid}/secrets/"
    client = make_client(tenant)
    created = client.post(path, {"overlap_seconds": 3600})
    assert created.status_code == 201
    assert created["Cache-Control"] == "no-store"
    assert created.json()["secret"].startswith("whsec_")
    listed = client.get(path)
    assert b"whsec_" not in listed.content
    assert [row["expires_at"] is None for row in listed.json()["data"]] == [True, False]


def test_rotation_uses_the_given_secret():
    tenant, own = make_tenant(), new_secret()
    path = f"{API}endpoints/{make_endpoint(tenant).public_id}/secrets/"
    assert make_client(tenant).post(path, {"secret": own, "overlap_seconds": 0}).json()["secret"] == own
    assert len(make_client(tenant).get(path).json()["data"]) == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"overlap_seconds": -1}, "overlap_seconds"),
        ({"overlap_seconds": 2_592_001}, "overlap_seconds"),
        ({"overlap_seconds": "60"}, "overlap_seconds"),
        ({"overlap_seconds": None}, "overlap_seconds"),
        ({"secret": "whsec_"}, "secret"),
        ({"overlap": 60}, "overlap"),
    ],
)
def test_invalid_rotation_is_a_400_that_names_the_field(body, field):
    tenant = make_tenant()
    path = f"{API}endpoints/{make_endpoint(tenant).public_id}/secrets/"
    assert invalid_fields(make_client(tenant).post(path, body)) == [field]


def test_patch_of_a_secret_is_a_400_that_points_to_rotation():
    tenant = make_tenant()
    response = make_client(tenant).patch(f"{API}endpoints/{make_endpoint(tenant).public_id}/", {"secret": new_secret()})
    assert invalid_fields(response) == ["secret"]
    assert "secrets/" in response.json()["detail"]


class TestRoutes(RouteCases):
    routes = [
        ApiRoute("get", "endpoints/{endpoint}/secrets/", "read", 200),
        ApiRoute("post", "endpoints/{endpoint}/secrets/", "manage", 201, {}),
        ApiRoute("get", "endpoints/{endpoint}/secrets/{secret}/", "read", 200),
        ApiRoute("delete", "endpoints/{endpoint}/secrets/{secret}/", "manage", 204),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        endpoint = make_endpoint(tenant)
        rotate_secret(endpoint, 60)
        old = endpoint.secrets.exclude(expires_at=None).get()
        return {"endpoint": endpoint.public_id, "secret": old.public_id}


def test_leaked_secret_ends_at_once_and_the_new_one_goes_on_signing():
    tenant = make_tenant()
    endpoint = make_endpoint(tenant, secret=(leaked := new_secret()))
    path, client = f"{API}endpoints/{endpoint.public_id}/secrets/", make_client(tenant)
    leaked_id = client.get(path).json()["data"][0]["id"]
    new = client.post(path, {}).json()
    assert client.delete(f"{path}{leaked_id}/").status_code == 204
    assert [row["id"] for row in client.get(path).json()["data"]] == [new["id"]]
    signer = load_targets([endpoint.pk])[endpoint.pk].signer
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "1900000000"}
    headers["webhook-signature"] = signer.sign("evt_1", 1_900_000_000, b"{}")
    verify([new["secret"]], headers, b"{}", now=1_900_000_000)
    with pytest.raises(SignatureError):
        verify([leaked], headers, b"{}", now=1_900_000_000)
    assert client.delete(f"{path}{leaked_id}/").status_code == 404


def test_end_of_the_current_secret_is_a_409():
    tenant = make_tenant()
    endpoint = make_endpoint(tenant)
    path, client = f"{API}endpoints/{endpoint.public_id}/secrets/", make_client(tenant)
    (row,) = client.get(path).json()["data"]
    refused = client.delete(f"{path}{row['id']}/")
    assert refused.status_code == 409
    assert "create another first" in refused.json()["detail"]
    assert endpoint.secrets.count() == 1


def test_location_of_a_new_secret_shows_it_without_its_text():
    tenant = make_tenant()
    client = make_client(tenant)
    created = client.post(f"{API}endpoints/{make_endpoint(tenant).public_id}/secrets/", {})
    shown = client.get(created["Location"])
    assert shown.status_code == 200
    assert created.json() == {**shown.json(), "secret": created.json()["secret"]}


def test_secret_of_another_endpoint_is_a_404():
    tenant = make_tenant()
    one, other = make_endpoint(tenant), make_endpoint(tenant)
    foreign = other.secrets.get().public_id
    path = f"{API}endpoints/{one.public_id}/secrets/{foreign}/"
    assert make_client(tenant).get(path).status_code == make_client(tenant).delete(path).status_code == 404
