"""Signing secrets of an endpoint: their schemes, rotation, and what the API shows of them."""

from base64 import b64decode, urlsafe_b64decode
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.utils import timezone

from subscriptions.endpoints.signing_secrets import MAX_OVERLAP, MAX_SECRETS, new_signing_secret, rotate_secret
from subscriptions.errors import Invalid, StateConflict
from subscriptions.models import Endpoint
from subscriptions.routing.targets import load_targets
from tests.factories import URL, make_client, make_endpoint, make_secret, make_tenant
from tests.routes import ApiRoute, RouteCases
from webhooks.kit.encryption import decrypt
from webhooks.wire.signing.keys import new_keypair, new_secret
from webhooks.wire.signing.standard_webhooks import verify

pytestmark = pytest.mark.django_db

ENDPOINTS = "/api/v1/endpoints/"
BODY = b'{"n":1}'


class TestKeyRoutes(RouteCases):
    routes = (ApiRoute("get", "endpoints/{endpoint}/keys/", "read", 200),)

    def make_ids(self, tenant):
        return {"endpoint": make_endpoint(tenant, secret=new_keypair()[0]).public_id}


def signing(endpoint):
    """Return the secrets that sign now, newest first."""
    rows = endpoint.secrets.exclude(expires_at__lte=timezone.now()).order_by("-id")
    return [decrypt(row.ciphertext) for row in rows]


def signed(endpoint):
    """Return the signature that a delivery of this endpoint would carry now."""
    signer = load_targets([endpoint.id])[endpoint.id].signer
    return signer.sign("evt_1", 1_900_000_000, BODY)


def test_new_signing_secret_is_v1_by_default():
    new = new_signing_secret()
    assert new.text.startswith("whsec_")
    assert new.verification_key == new.text


def test_new_key_pair_shows_only_its_public_key():
    new = new_signing_secret("v1a")
    assert new.text.startswith("whsk_")
    assert new.verification_key.startswith("whpk_")
    assert "whsk_" not in repr(new)


@pytest.mark.parametrize(
    ("signing", "secret", "field"),
    [
        ("v2", None, "signing"),
        ("", None, "signing"),
        ("v1", new_keypair()[0], "secret"),
        ("v1a", new_secret(), "secret"),
        ("v1a", new_keypair()[1], "secret"),
        (None, "whsk_AAAA", "secret"),
        (None, "whsk_" + "A" * 300, "secret"),
    ],
)
def test_secret_that_does_not_match_the_scheme_is_rejected(signing, secret, field):
    with pytest.raises(Invalid) as error:
        new_signing_secret(signing, secret)
    assert error.value.field == field


def test_endpoint_with_a_key_pair_shows_the_public_key_and_encrypts_the_private_key():
    tenant = make_tenant()
    client = make_client(tenant)
    created = client.post(ENDPOINTS, {"url": URL, "signing": "v1a"})
    assert created.status_code == 201
    assert "secret" not in created.json()
    endpoint = Endpoint.objects.get()
    ciphertext = endpoint.secrets.get()
    assert decrypt(ciphertext.ciphertext).startswith("whsk_")
    assert ciphertext.public_key == created.json()["public_key"]
    for path in (f"{ENDPOINTS}{created.json()['id']}/", f"{ENDPOINTS}{created.json()['id']}/secrets/"):
        assert b"whsk_" not in client.get(path).content + created.content


def test_signature_verifies_with_the_public_key_and_with_another_library():
    tenant = make_tenant()
    public = make_client(tenant).post(ENDPOINTS, {"url": URL, "signing": "v1a"}).json()["public_key"]
    signature = signed(Endpoint.objects.get())
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "1900000000", "webhook-signature": signature}
    verify([public], headers, BODY, now=1_900_000_000)
    raw = b64decode(public.removeprefix("whpk_"))
    scheme, _, value = signature.partition(",")
    assert scheme == "v1a"
    Ed25519PublicKey.from_public_bytes(raw).verify(b64decode(value), b"evt_1.1900000000." + BODY)


def test_given_private_key_is_used_and_not_shown():
    private, public = new_keypair()
    created = make_client(make_tenant()).post(ENDPOINTS, {"url": URL, "secret": private})
    assert created.json()["public_key"] == public
    assert private.encode() not in created.content


def test_rotation_keeps_the_scheme_and_both_keys_sign_during_the_overlap():
    tenant = make_tenant()
    old_private, old_public = new_keypair()
    endpoint = make_endpoint(tenant, secret=old_private)
    client = make_client(tenant)
    rotated = client.post(f"{ENDPOINTS}{endpoint.public_id}/secrets/", {"overlap_seconds": 60})
    new_public = rotated.json()["public_key"]
    assert "secret" not in rotated.json()
    keys = client.get(f"{ENDPOINTS}{endpoint.public_id}/keys/").json()["keys"]
    assert [key["public_key"] for key in keys] == [new_public, old_public]
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "1900000000", "webhook-signature": signed(endpoint)}
    for public in (old_public, new_public):
        verify([public], headers, BODY, now=1_900_000_000)


def test_rotation_to_another_scheme_signs_with_both_during_the_overlap():
    tenant, old = make_tenant(), new_secret()
    endpoint = make_endpoint(tenant, secret=old)
    path = f"{ENDPOINTS}{endpoint.public_id}/secrets/"
    client = make_client(tenant)
    public = client.post(path, {"signing": "v1a"}).json()["public_key"]
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "1900000000", "webhook-signature": signed(endpoint)}
    verify([old], headers, BODY, now=1_900_000_000)
    verify([public], headers, BODY, now=1_900_000_000)
    listed = client.get(path).json()["data"]
    assert [(row["signing"], row["public_key"]) for row in listed] == [("v1a", public), ("v1", None)]
    assert client.post(path, {"signing": "v1", "overlap_seconds": 0}).json()["secret"].startswith("whsec_")


def test_key_set_lists_active_public_keys_only():
    tenant = make_tenant()
    private, public = new_keypair()
    endpoint = make_endpoint(tenant, secret=private)
    make_secret(endpoint, expires_at=timezone.now() + timedelta(hours=1))
    make_secret(endpoint, new_keypair()[0], expires_at=timezone.now() - timedelta(seconds=1))
    (key,) = make_client(tenant).get(f"{ENDPOINTS}{endpoint.public_id}/keys/").json()["keys"]
    assert key["public_key"] == public
    assert urlsafe_b64decode(key["x"] + "=") == b64decode(public.removeprefix("whpk_"))


def test_key_set_without_key_pairs_is_empty():
    tenant = make_tenant()
    endpoint = make_endpoint(tenant)
    assert make_client(tenant).get(f"{ENDPOINTS}{endpoint.public_id}/keys/").json() == {"keys": []}


@pytest.mark.parametrize("value", ["v2", "", None, 1, ["v1a"], "V1A"])
def test_unknown_scheme_is_a_400_that_names_the_field(value):
    tenant = make_tenant()
    client = make_client(tenant)
    responses = [
        client.post(ENDPOINTS, {"url": URL, "signing": value}),
        client.post(f"{ENDPOINTS}{make_endpoint(tenant).public_id}/secrets/", {"signing": value}),
    ]
    for response in responses:
        assert response.status_code == 400
        assert [error["field"] for error in response.json()["errors"]] == ["signing"]


def test_patch_of_the_scheme_is_a_400_that_points_to_rotation():
    tenant = make_tenant()
    response = make_client(tenant).patch(f"{ENDPOINTS}{make_endpoint(tenant).public_id}/", {"signing": "v1a"})
    assert response.status_code == 400
    assert "secrets/" in response.json()["detail"]


def test_rotate_secret_keeps_the_scheme():
    endpoint = make_endpoint(secret=new_keypair()[0])
    assert rotate_secret(endpoint)[1].startswith("whpk_")


def test_rotate_secret_with_overlap_lets_both_sign_new_first():
    endpoint = make_endpoint(secret=(old := new_secret()))
    _, new = rotate_secret(endpoint, 3600)
    assert signing(endpoint) == [new, old]


def test_rotate_secret_without_overlap_ends_all_older_secrets():
    endpoint = make_endpoint()
    rotate_secret(endpoint, 3600)
    _, new = rotate_secret(endpoint, 0)
    assert signing(endpoint) == [new]


def test_rotate_secret_does_not_extend_an_earlier_overlap():
    endpoint = make_endpoint()
    ends_at = timezone.now() + timedelta(minutes=1)
    make_secret(endpoint, expires_at=ends_at)
    rotate_secret(endpoint, 3600)
    assert endpoint.secrets.filter(expires_at=ends_at).exists()


def test_rotate_secret_deletes_expired_secrets():
    endpoint = make_endpoint()
    make_secret(endpoint, expires_at=timezone.now() - timedelta(seconds=1))
    rotate_secret(endpoint, 3600)
    assert endpoint.secrets.count() == 2


def test_rotate_secret_above_the_maximum_needs_a_shorter_overlap():
    endpoint = make_endpoint()
    for _ in range(MAX_SECRETS - 1):
        rotate_secret(endpoint)
    assert len(signing(endpoint)) == MAX_SECRETS
    with pytest.raises(StateConflict):
        rotate_secret(endpoint)
    assert len(signing(endpoint)) == MAX_SECRETS
    _, new = rotate_secret(endpoint, 0)
    assert signing(endpoint) == [new]


def test_rotate_secret_to_a_secret_in_use_is_rejected():
    endpoint = make_endpoint(secret=(old := new_secret()))
    with pytest.raises(Invalid) as error:
        rotate_secret(endpoint, 3600, old)
    assert error.value.field == "secret"


@pytest.mark.parametrize("overlap", [-1, MAX_OVERLAP + 1])
def test_overlap_out_of_bounds_is_rejected(overlap):
    with pytest.raises(Invalid) as error:
        rotate_secret(make_endpoint(), overlap)
    assert error.value.field == "overlap_seconds"
