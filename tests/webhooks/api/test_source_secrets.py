"""Test the secrets of a source over REST: rotation, overlap and revocation."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from subscriptions.models import Tenant
from tests.factories import make_client, make_tenant
from tests.factories_receiver import make_source, signed
from tests.routes import ApiRoute, RouteCases
from webhooks.kit.encryption import decrypt
from webhooks.models import Receipt, Source, SourceSecret
from webhooks.sources.secret_rotation import keep_received_secret

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

API = "/api/v1"
BODY = b'{"type":"a.b"}'


def post(client, path: str, body: Any) -> Any:
    return client.post(f"{API}/{path}", body, format="json")


@pytest.mark.usefixtures("receiver", "rules")
class TestRoutes(RouteCases):
    routes = [
        ApiRoute("get", "sources/{source}/secrets/", "read", 200),
        ApiRoute("post", "sources/{source}/secrets/", "manage", 201, {}),
        ApiRoute("post", "sources/{source}/secrets/{secret}/reveal/", "manage", 200),
        ApiRoute("get", "sources/{source}/secrets/{secret}/", "read", 200),
        ApiRoute("delete", "sources/{source}/secrets/{secret}/", "manage", 204),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        source = make_source(tenant_id=tenant.pk, secret=None)
        keep_received_secret(source.pk, "given by the sender")
        return {"source": source.public_id, "secret": source.secrets.get().public_id}


def test_rotation_creates_a_secret_and_lets_the_others_expire() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk)
    client = make_client(tenant)
    created = post(client, f"sources/{source.public_id}/secrets/", {"overlap_seconds": 3600}).json()
    listed = client.get(f"{API}/sources/{source.public_id}/secrets/").json()["data"]
    assert [secret["id"] for secret in listed] == [created["id"], listed[1]["id"]]
    assert created["secret"].startswith("whsec_")
    assert "secret" not in listed[0]
    old = SourceSecret.objects.get(expires_at__isnull=False)
    assert abs(old.expires_at - timezone.now() - timedelta(hours=1)) < timedelta(minutes=1)


def test_rotation_without_overlap_ends_the_other_secrets_at_once() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk)
    client = make_client(tenant)
    path = f"sources/{source.public_id}/secrets/"
    for overlap in (60, 86_400, 0):
        post(client, path, {"overlap_seconds": overlap})
    assert len(client.get(f"{API}/{path}").json()["data"]) == 1


def test_eleventh_secret_is_a_400() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk)
    path, client = f"sources/{source.public_id}/secrets/", make_client(tenant)
    statuses = [post(client, path, {}).status_code for _ in range(10)]
    assert statuses == [201] * 9 + [400]


def test_rotation_of_a_secret_made_by_the_sender_requires_the_secret() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk, scheme="github", secret="shh")
    path, client = f"sources/{source.public_id}/secrets/", make_client(tenant)
    assert post(client, path, {}).status_code == 400
    assert post(client, path, {"secret": "new"}).status_code == 201


def test_message_with_a_revoked_secret_is_a_401() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk)
    secret = source.secrets.get()
    make_client(tenant).delete(f"{API}/sources/{source.public_id}/secrets/{secret.public_id}/")
    assert Client().post(f"/in/{source.public_id}/", BODY, "a/b", headers=signed(BODY)).status_code == 401


def test_secret_of_another_source_is_a_404() -> None:
    tenant = make_tenant()
    one, other = make_source(tenant_id=tenant.pk), make_source(tenant_id=tenant.pk)
    path = f"{API}/sources/{one.public_id}/secrets/{other.secrets.get().public_id}/"
    assert make_client(tenant).delete(path).status_code == 404
    assert other.secrets.exists()


def test_secret_is_shown_only_if_the_sender_gave_it() -> None:
    tenant = make_tenant()
    client, source = make_client(tenant), make_source(tenant_id=tenant.pk, secret=None)
    assert keep_received_secret(source.pk, "given by the sender")
    path = f"{API}/sources/{source.public_id}/secrets/"
    [listed] = client.get(path).json()["data"]
    shown = post(client, f"sources/{source.public_id}/secrets/{listed['id']}/reveal/", {})
    assert (listed["is_received"], "secret" in listed) == (True, False)
    assert (shown.json()["secret"], shown["Cache-Control"]) == ("given by the sender", "no-store")
    own = make_source(tenant_id=tenant.pk)
    hidden = f"sources/{own.public_id}/secrets/{own.secrets.get().public_id}/reveal/"
    assert post(client, hidden, {}).status_code == 404


def test_secrets_of_different_names_last_and_receipts_show_which_one_signed() -> None:
    tenant = make_tenant()
    client, source = make_client(tenant), make_source(tenant_id=tenant.pk)
    path = f"sources/{source.public_id}/secrets/"
    live = post(client, path, {"name": "live"}).json()
    test = post(client, path, {"name": "test"}).json()
    newer = post(client, path, {"name": "live", "overlap_seconds": 0}).json()
    listed = client.get(f"{API}/{path}").json()["data"]
    assert {secret["name"]: secret["expires_at"] for secret in listed} == {"": None, "live": None, "test": None}
    assert live["id"] not in [secret["id"] for secret in listed]
    for name, secret in (("test", test), ("live", newer)):
        body = b"{}"
        sent = Client().post(
            f"/in/{source.public_id}/",
            body,
            "application/json",
            headers=signed(body, secret=secret["secret"], message_id=name),
        )
        assert sent.status_code == 202
    receipts = client.get(f"{API}/receipts/").json()["data"]
    assert [(receipt["message_id"], receipt["secret_name"]) for receipt in receipts] == [
        ("live", "live"),
        ("test", "test"),
    ]
    assert {receipt.secret_name for receipt in Receipt.objects.all()} == {"live", "test"}


def test_white_space_around_a_secret_is_removed() -> None:
    tenant = make_tenant()
    client = make_client(tenant)
    made = post(client, "sources/", {"scheme": "github", "secret": " It's a secret \n"}).json()
    assert made["secret"] == "It's a secret"
    added = post(client, f"sources/{made['id']}/secrets/", {"secret": "\tother\r\n"}).json()
    assert added["secret"] == "other"
    stored = [decrypt(secret.ciphertext) for secret in SourceSecret.objects.order_by("id")]
    assert stored == ["It's a secret", "other"]
    assert post(client, f"sources/{made['id']}/secrets/", {"secret": " \n"}).status_code == 400


@pytest.mark.parametrize("hidden", ["\ufeff", "\u200b", "\u2060", "\u00ad", "\u200e", "\u00a0", "\u2028"])
def test_invisible_characters_around_a_secret_are_removed_and_inside_refused(hidden: str) -> None:
    client = make_client(make_tenant())
    made = post(
        client, "sources/", {"scheme": "github", "secret": f"{hidden} a b {hidden}", "verify_token": f"{hidden}w"}
    )
    assert made.json()["secret"] == "a b"
    assert decrypt(Source.objects.get().verify_token) == "w"
    path = f"sources/{made.json()['id']}/secrets/"
    assert post(client, path, {"secret": f"other{hidden}"}).json()["secret"] == "other"
    assert [decrypt(secret.ciphertext) for secret in SourceSecret.objects.order_by("id")] == ["a b", "other"]
    if not hidden.isspace():
        refused = post(client, path, {"secret": f"oth{hidden}er"})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "secret")
        assert f"U+{ord(hidden):04X}" in refused.json()["errors"][0]["detail"]
