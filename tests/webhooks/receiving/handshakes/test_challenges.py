"""Test challenges by GET, handshakes by OPTIONS and subscription confirmations, over HTTP."""

import hmac
import json
import time
from base64 import b64encode
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from tests.factories import make_client, make_tenant
from tests.factories_receiver import make_source
from tests.webhooks.receiving import shells
from tests.webhooks.schemes.authority import certificate
from tests.webhooks.schemes.test_sns import subscription_confirmation
from webhooks.models import Receipt, Rejection, Source
from webhooks.outgoing.call_messages import CallResponse
from webhooks.outgoing.errors import InvalidResponse
from webhooks.receiving import published_keys
from webhooks.receiving.handshakes import challenges

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

HUB = {"hub.mode": "subscribe", "hub.verify_token": "wörd", "hub.challenge": "1158201444"}


def get(source: Source, query: dict[str, str]) -> Any:
    return Client().get(f"/in/{source.public_id}/?{urlencode(query)}")


def make_source_with_token(scheme: str = "meta", token: str | None = "wörd") -> Source:
    response = make_client(make_tenant()).post(
        "/api/v1/sources/", {"scheme": scheme, "secret": "app secret", "verify_token": token}, format="json"
    )
    assert response.status_code == 201, response.content
    assert "verify_token" not in response.json()
    return Source.objects.get()


def test_get_with_the_verify_token_echoes_the_challenge_as_text() -> None:
    response = get(make_source_with_token(), HUB)
    assert (response.status_code, response.content) == (200, b"1158201444")
    assert response["Content-Type"].startswith("text/plain")
    assert response["X-Content-Type-Options"] == "nosniff"


def test_get_with_the_verify_token_works_under_any_scheme() -> None:
    assert get(make_source_with_token("github"), HUB).content == b"1158201444"


@pytest.mark.parametrize(
    "changed",
    [
        {"hub.verify_token": "word"},
        {"hub.verify_token": ""},
        {"hub.mode": "unsubscribe"},
        {"hub.mode": ""},
        {"hub.challenge": ""},
        {"hub.challenge": "<b> x"},
        {"hub.challenge": "x" * 1025},
        {"hub.challenge": "é"},
    ],
)
def test_get_with_an_invalid_challenge_is_403_and_recorded_as_rejection(changed: dict[str, str]) -> None:
    response = get(make_source_with_token(), {**HUB, **changed})
    assert (response.status_code, response.json()["code"]) == (403, "sender_refused")
    assert Rejection.objects.get().reason == "challenge"


@pytest.mark.parametrize("token", [None, ""])
def test_get_at_a_source_without_verify_token_is_405(token: str | None) -> None:
    source = make_source(scheme="meta", secret="s")
    response = get(source, {**HUB, "hub.verify_token": token or ""})
    assert (response.status_code, response["Allow"]) == (405, "POST, OPTIONS")


def test_verify_token_is_stored_encrypted_and_can_be_removed() -> None:
    source = make_source_with_token()
    assert "wörd".encode() not in bytes(source.verify_token or b"")
    client = make_client(None)
    assert (
        client.patch(f"/api/v1/sources/{source.public_id}/", {"verify_token": None}, format="json").status_code == 200
    )
    assert get(source, HUB).status_code == 405


def test_crc_token_is_signed_with_the_newest_secret() -> None:
    source = make_source(scheme="twitter", secret="consumer secret")
    expected = "sha256=" + b64encode(hmac.digest(b"consumer secret", b"MGYxYmY0", "sha256")).decode()
    response = get(source, {"crc_token": "MGYxYmY0"})
    assert (response.status_code, response.json()) == (200, {"response_token": expected})


@pytest.mark.parametrize("token", ["", '{"a":1}', "a b", "x" * 300])
def test_crc_token_that_could_be_a_message_is_403(token: str) -> None:
    assert get(make_source(scheme="twitter", secret="s"), {"crc_token": token}).status_code == 403


def test_crc_token_at_a_source_without_secret_is_403() -> None:
    assert get(make_source(scheme="twitter", secret=None), {"crc_token": "abc"}).status_code == 403


def test_challenge_and_handshake_at_a_deleted_source_are_404() -> None:
    source = make_source_with_token()
    make_client(None).delete(f"/api/v1/sources/{source.public_id}/")
    assert get(source, HUB).status_code == 404
    assert handshake(source, **{"WebHook-Request-Origin": "events.example.com"}).status_code == 404
    assert not Receipt.objects.exists()


def handshake(source: Source, **headers: str) -> Any:
    return Client().options(f"/in/{source.public_id}/", headers=headers)


def test_handshake_allows_the_origins_of_the_source_at_its_rate() -> None:
    source = make_source(allowed_origins=["Events.Example.com", "other.example.com"], rate_per_minute=120)
    given = handshake(source, **{"WebHook-Request-Origin": "events.example.com", "WebHook-Request-Rate": "1000"})
    assert (given["WebHook-Allowed-Origin"], given["WebHook-Allowed-Rate"]) == ("events.example.com", "120")
    for origin in ("evil.example.com", "*", "a b", ""):
        refused = handshake(source, **{"WebHook-Request-Origin": origin})
        assert "WebHook-Allowed-Origin" not in refused
        assert refused["Allow"] == "POST"


def test_handshake_at_a_source_without_origins_allows_none() -> None:
    refused = handshake(make_source(allowed_origins=[]), **{"WebHook-Request-Origin": "events.example.com"})
    assert "WebHook-Allowed-Origin" not in refused


def test_handshake_with_a_callback_calls_nothing() -> None:
    """A call would go to an address of the sender's choice, and the response has allowed the origin already."""
    headers = {"WebHook-Request-Origin": "a.example.com", "WebHook-Request-Callback": "https://127.0.0.1/x"}
    assert handshake(make_source(), **headers)["WebHook-Allowed-Origin"] == "a.example.com"


TOPIC = "arn:aws:sns:eu-west-1:123456789012:orders"


class FakeAmazon:
    """Replace the network: count the calls and return certificates and confirmations."""

    def __init__(self, status: int = 200, error: Exception | None = None) -> None:
        self.status, self.error = status, error
        self.called: list[str] = []

    def start_call(self, method: str, url: str, **_: Any) -> Future[CallResponse]:
        self.called.append(f"{method} {url}")
        result: Future[CallResponse] = Future()
        if self.error:
            result.set_exception(self.error)
            return result
        body = certificate(days=9_000) if url.endswith(".pem") else b""
        result.set_result(CallResponse(url, 200 if body else self.status, {}, body, truncated=False))
        return result


def subscribe(monkeypatch: pytest.MonkeyPatch, amazon: FakeAmazon) -> Any:
    monkeypatch.setattr(challenges, "start_call", amazon.start_call)
    monkeypatch.setattr(published_keys, "start_call", amazon.start_call)
    body = json.dumps(subscription_confirmation(TOPIC, int(time.time()))).encode()
    source = make_source(scheme="sns", secret=TOPIC)
    return shells.post(source, body, {}, content_type="text/plain; charset=UTF-8")


@pytest.mark.usefixtures("shell")
def test_sns_subscription_is_confirmed_at_amazon_and_stored_as_no_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    amazon = FakeAmazon()
    response = subscribe(monkeypatch, amazon)
    assert response.status_code == 200
    assert [called.partition("?")[0] for called in amazon.called] == [
        "GET https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-a1b2c3d4.pem",
        "GET https://sns.eu-west-1.amazonaws.com/",
    ]
    assert not Receipt.objects.exists()


@pytest.mark.usefixtures("shell")
def test_sns_subscription_that_cannot_be_confirmed_is_503_so_that_amazon_retries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    response = subscribe(monkeypatch, FakeAmazon(status=403))
    assert (response.status_code, bool(response["Retry-After"])) == (503, True)
    assert Rejection.objects.get().reason == "not_confirmed"


@pytest.mark.usefixtures("shell")
def test_sns_subscription_without_a_certificate_is_503_and_not_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    amazon = FakeAmazon(error=InvalidResponse())
    assert subscribe(monkeypatch, amazon).status_code == 503
    assert len(amazon.called) == 1
