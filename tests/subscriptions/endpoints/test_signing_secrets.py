"""Which secret an endpoint signs with, what of it is shown, and that others can verify what it signs."""

from base64 import b64decode, urlsafe_b64decode
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.utils import timezone

from subscriptions.endpoints import endpoints
from subscriptions.endpoints.signing_secrets import new_signing_secret
from subscriptions.errors import Invalid
from subscriptions.models import Endpoint
from subscriptions.routing.targets import load_targets
from tests.doors import Door, DoorCases
from tests.factories import URL, make_client, make_endpoint, make_secret, make_tenant
from webhooks.kit.encryption import decrypt
from webhooks.wire.signing.standard_webhooks import new_keypair, new_secret, verify

pytestmark = pytest.mark.django_db

ENDPOINTS = "/api/v1/endpoints/"
BODY = b'{"n":1}'


class TestKeyDoors(DoorCases):
    doors = (Door("get", "endpoints/{endpoint}/keys/", "read", 200),)

    def things(self, tenant):
        return {"endpoint": make_endpoint(tenant, secret=new_keypair()[0]).public_id}


def signed(endpoint):
    """A signature as a delivery of this endpoint carries it now."""
    signer = load_targets([endpoint.id])[endpoint.id].signer
    return signer.sign("evt_1", 1_900_000_000, BODY)


def test_without_a_word_it_is_v1_and_shown_as_it_is():
    issued = new_signing_secret()
    assert issued.text.startswith("whsec_")
    assert issued.shown == issued.text


def test_a_key_pair_shows_its_public_half_alone():
    issued = new_signing_secret("v1a")
    assert issued.text.startswith("whsk_")
    assert issued.shown.startswith("whpk_")
    assert "whsk_" not in repr(issued)


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
def test_a_secret_and_a_scheme_that_do_not_fit_are_refused(signing, secret, field):
    with pytest.raises(Invalid) as refusal:
        new_signing_secret(signing, secret)
    assert refusal.value.field == field


def test_an_endpoint_with_a_key_pair_shows_the_public_key_and_encrypts_the_private_one():
    tenant = make_tenant()
    client = make_client(tenant)
    made = client.post(ENDPOINTS, {"url": URL, "signing": "v1a"})
    assert made.status_code == 201
    assert "secret" not in made.json()
    endpoint = Endpoint.objects.get()
    ciphertext = endpoint.secrets.get()
    assert decrypt(ciphertext.ciphertext).startswith("whsk_")
    assert ciphertext.public_key == made.json()["public_key"]
    for path in (f"{ENDPOINTS}{made.json()['id']}/", f"{ENDPOINTS}{made.json()['id']}/secrets/"):
        assert b"whsk_" not in client.get(path).content + made.content


def test_what_it_signs_verifies_with_the_public_key_here_and_elsewhere():
    tenant = make_tenant()
    public = make_client(tenant).post(ENDPOINTS, {"url": URL, "signing": "v1a"}).json()["public_key"]
    signature = signed(Endpoint.objects.get())
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "1900000000", "webhook-signature": signature}
    verify([public], headers, BODY, now=1_900_000_000)
    raw = b64decode(public.removeprefix("whpk_"))
    scheme, _, value = signature.partition(",")
    assert scheme == "v1a"
    Ed25519PublicKey.from_public_bytes(raw).verify(b64decode(value), b"evt_1.1900000000." + BODY)


def test_a_key_of_ones_own_is_taken_and_not_repeated():
    private, public = new_keypair()
    made = make_client(make_tenant()).post(ENDPOINTS, {"url": URL, "secret": private})
    assert made.json()["public_key"] == public
    assert private.encode() not in made.content


def test_a_rotation_keeps_the_scheme_and_both_keys_sign_until_the_overlap_ends():
    tenant = make_tenant()
    old_private, old_public = new_keypair()
    endpoint = make_endpoint(tenant, secret=old_private)
    client = make_client(tenant)
    rotated = client.post(f"{ENDPOINTS}{endpoint.public_id}/secrets/", {"overlap_seconds": 60})
    new_public = rotated.json()["public_key"]
    assert rotated.json() == {"public_key": new_public}
    keys = client.get(f"{ENDPOINTS}{endpoint.public_id}/keys/").json()["keys"]
    assert [key["public_key"] for key in keys] == [new_public, old_public]
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "1900000000", "webhook-signature": signed(endpoint)}
    for public in (old_public, new_public):
        verify([public], headers, BODY, now=1_900_000_000)


def test_a_rotation_may_change_the_scheme_and_until_then_both_are_there():
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


def test_the_key_set_holds_what_signs_now_and_nothing_symmetric():
    tenant = make_tenant()
    private, public = new_keypair()
    endpoint = make_endpoint(tenant, secret=private)
    make_secret(endpoint, expires_at=timezone.now() + timedelta(hours=1))
    make_secret(endpoint, new_keypair()[0], expires_at=timezone.now() - timedelta(seconds=1))
    (key,) = make_client(tenant).get(f"{ENDPOINTS}{endpoint.public_id}/keys/").json()["keys"]
    assert key["public_key"] == public
    assert urlsafe_b64decode(key["x"] + "=") == b64decode(public.removeprefix("whpk_"))


def test_an_endpoint_without_key_pairs_has_an_empty_key_set():
    tenant = make_tenant()
    endpoint = make_endpoint(tenant)
    assert make_client(tenant).get(f"{ENDPOINTS}{endpoint.public_id}/keys/").json() == {"keys": []}


@pytest.mark.parametrize("value", ["v2", "", None, 1, ["v1a"], "V1A"])
def test_a_scheme_that_is_none_is_named(value):
    tenant = make_tenant()
    client = make_client(tenant)
    answers = [
        client.post(ENDPOINTS, {"url": URL, "signing": value}),
        client.post(f"{ENDPOINTS}{make_endpoint(tenant).public_id}/secrets/", {"signing": value}),
    ]
    for answer in answers:
        assert answer.status_code == 400
        assert [error["field"] for error in answer.json()["errors"]] == ["signing"]


def test_the_scheme_is_not_patched_but_rotated():
    tenant = make_tenant()
    answer = make_client(tenant).patch(f"{ENDPOINTS}{make_endpoint(tenant).public_id}/", {"signing": "v1a"})
    assert answer.status_code == 400
    assert "secrets/" in answer.json()["detail"]


def test_the_verb_keeps_the_scheme_too():
    endpoint = make_endpoint(secret=new_keypair()[0])
    assert endpoints.rotate_secret(endpoint).startswith("whpk_")
