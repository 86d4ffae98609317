"""Test test messages under every scheme that Waypost can sign, over the REST API."""

from typing import Any

import pytest
from joserfc.jwk import RSAKey

from tests.factories import make_client, make_tenant
from tests.factories_receiver import make_source
from webhooks import schemes
from webhooks.models import Receipt, Rejection, Source
from webhooks.processing.process import process_due
from webhooks.wire.signing.keys import new_keypair, new_secret

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

PRIVATE, PUBLIC = new_keypair()
KEY = RSAKey.generate_key(2048)
SECRETS = {
    "standard": new_secret(),
    "svix": new_secret(),
    "basic": "user:password",
    "jwt": "a shared secret of 32 bytes or so",
    "none": None,
}
NOT_OURS = {"mtls", "paypal", "public_key", "sns"}
SIGNABLE = sorted(schemes.SCHEMES.keys() - NOT_OURS)


def secret_of(scheme: str) -> str | None:
    return SECRETS.get(scheme, "a secret of the sender")


def send(source: Source, body: Any = None) -> Any:
    return make_client(None).post(f"/api/v1/sources/{source.public_id}/test/", body or {}, format="json")


@pytest.mark.parametrize("scheme", SIGNABLE)
def test_test_message_of_every_scheme_is_received_and_stored(scheme: str, notifications) -> None:
    source = make_source(scheme=scheme, secret=secret_of(scheme), handlers=[{"handler": "log"}])
    response = send(source)
    assert response.status_code == 200, response.content
    shown, receipt = response.json(), Receipt.objects.get()
    assert (shown["status"], shown["rejection"]) == (202, None)
    assert shown["receipt"]["id"] == receipt.public_id
    assert receipt.event_type == "waypost.test"
    assert receipt.secret_id == (source.secrets.get().id if secret_of(scheme) else None)
    assert receipt.read().decode() == shown["body"]
    assert notifications.calls == 1


@pytest.mark.parametrize("scheme", SIGNABLE)
def test_test_message_response_has_no_secret(scheme: str) -> None:
    secret = secret_of(scheme)
    response = send(make_source(scheme=scheme, secret=secret)).content.decode()
    if secret is not None:
        assert secret not in response
        assert "dXNlcjpwYXNzd29yZA==" not in response


@pytest.mark.parametrize("scheme", SIGNABLE)
def test_two_test_messages_are_two_receipts(scheme: str) -> None:
    source = make_source(scheme=scheme, secret=secret_of(scheme), message_id_path="body:/id")
    assert [send(source, {"body": f'{{"id": {number}}}'}).json()["status"] for number in range(2)] == [202, 202]
    assert send(source, {"body": '{"id": 1}'}).json()["status"] == 200


def test_test_message_runs_its_handlers() -> None:
    source = make_source(handlers=[{"handler": "log"}])
    send(source)
    process_due()
    assert Receipt.objects.get().state == "processed"


def test_test_message_does_not_wait_for_handlers() -> None:
    source = make_source(handlers=[{"handler": "log"}], response_when="processed", response_timeout_seconds=25)
    shown = send(source).json()
    assert (shown["status"], shown["receipt"]["state"]) == (202, "pending")


def test_test_message_accepts_a_type_and_a_body() -> None:
    source = make_source(scheme="github", secret="shh")
    shown = send(source, {"event_type": "push", "body": "not JSON"}).json()
    assert (shown["body"], shown["headers"]["x-github-event"]) == ("not JSON", "push")
    assert Receipt.objects.get().event_type == "push"


def test_test_message_signs_the_public_url() -> None:
    for scheme in ("square", "twilio"):
        source = make_source(scheme=scheme, secret="shh", public_url="https://hooks.example.com/a")
        shown = send(source).json()
        assert shown["status"] == 202
        assert shown["url"].startswith("https://hooks.example.com/a")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"scheme": "mtls", "secret": "CN=shop"}, "scheme"),
        ({"scheme": "standard", "secret": PUBLIC}, "scheme"),
        ({"scheme": "jwt", "secret": KEY.as_pem(private=False).decode()}, "scheme"),
        (
            {"scheme": "jwt", "secret": None, "options": {"jwks_url": "https://a.example.com/", "audience": "us"}},
            "scheme",
        ),
        ({"scheme": "github", "secret": None}, "secret"),
        ({"scheme": "hmac", "secret": "s", "options": {"algorithm": "md4"}}, "scheme"),
    ],
)
def test_test_message_that_cannot_be_signed_is_400_and_not_sent(changes: dict[str, Any], field: str) -> None:
    response = send(make_source(**changes))
    assert response.status_code == 400, response.content
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert not Receipt.objects.exists()
    assert not Rejection.objects.exists()


def test_test_message_is_signed_with_a_private_key() -> None:
    for scheme, secret in (("standard", PRIVATE), ("jwt", KEY.as_pem(private=True).decode())):
        assert send(make_source(scheme=scheme, secret=secret)).json()["status"] == 202


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"body": "x" * (64 * 1024 + 1)}, "body"),
        ({"body": {"a": 1}}, "body"),
        ({"body": "\0"}, "body"),
        ({"body": 5}, "body"),
        ({"event_type": "a b"}, "event_type"),
        ({"event_type": "a\r\nb"}, "event_type"),
        ({"event_type": "é"}, "event_type"),
        ({"event_type": "x" * 257}, "event_type"),
    ],
)
def test_test_message_with_an_invalid_field_is_400_and_names_it(body: dict[str, Any], field: str) -> None:
    response = send(make_source(), body)
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_rejected_test_message_shows_its_reason() -> None:
    source = make_source(max_bytes=5)
    shown = send(source).json()
    assert (shown["status"], shown["receipt"], shown["rejection"]["reason"]) == (413, None, "too_large")


def test_test_message_under_a_response_body_still_names_its_receipt() -> None:
    source = make_source(response_body="thanks", response_content_type="text/plain")
    shown = send(source).json()
    assert (shown["response"], shown["receipt"]["id"]) == ("thanks", Receipt.objects.get().public_id)


def test_test_message_at_a_source_of_another_tenant_is_404() -> None:
    tenant = make_tenant()
    source = make_source(tenant_id=tenant.pk, uid="shop")
    assert make_client(tenant).post("/api/v1/sources/shop/test/", {}, format="json").status_code == 200
    other_tenant = make_client(make_tenant())
    assert other_tenant.post(f"/api/v1/sources/{source.public_id}/test/", {}, format="json").status_code == 404
