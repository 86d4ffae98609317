"""Test handshakes by rules, and the responses to each outcome, through each shell of the receiver."""

import hmac
import json
from typing import Any

import pytest
from django.test import Client

from tests.factories_receiver import make_source
from tests.webhooks.receiving import shells
from webhooks.kit.encryption import encrypt
from webhooks.models import Receipt, Rejection, Source, SourceSecret
from webhooks.senders.handshake import InvalidHandshake, read_rules
from webhooks.senders.presets import with_preset
from webhooks.sources.snapshot import clear_snapshots

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules", "shell")]

SECRET = "secret of the sender"
PING = {"when": {"form:webhook_id": "*"}}
VERIFIED = {
    "verified": True,
    "when": {"body:/type": "challenge"},
    "json": {"signed": "{hmac_sha256_hex:body:/token}"},
}
HOOK_SECRET = {
    "when": {"header:X-Hook-Secret": "*"},
    "headers": {"X-Hook-Secret": "{header:X-Hook-Secret}"},
    "keep": "header:X-Hook-Secret",
}


def github(**changes: Any) -> Source:
    return make_source(**{"scheme": "github", "secret": SECRET, **changes})


def sign(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex()}


def test_unsigned_ping_is_answered_and_stored_as_nothing() -> None:
    source = github(handshake=[PING])
    response = shells.post(source, b"webhook_id=42", {}, content_type="application/x-www-form-urlencoded")
    assert (response.status_code, response.content) == (200, b"")
    assert not Receipt.objects.exists()
    assert not Rejection.objects.exists()


def test_message_with_a_wrong_signature_that_is_no_handshake_is_rejected() -> None:
    source = github(handshake=[PING])
    for headers in ({}, sign(b"other")):
        assert shells.post(source, b'{"webhook_id": 42}', headers).status_code == 401
    assert Rejection.objects.count() == 2


def test_handshake_with_a_wrong_signature_is_answered_if_its_rule_needs_none() -> None:
    source = github(handshake=[PING])
    assert shells.post(source, b"webhook_id=42", sign(b"x"), content_type="").status_code == 200


def test_body_of_a_handshake_is_read_only_so_far() -> None:
    source = github(handshake=[{"when": {"body:/webhook_id": "*"}}])
    body = b'{"webhook_id": 42, "pad": "%b"}' % (b"x" * 70_000)
    assert shells.post(source, body, {}).status_code == 401


def test_rule_for_verified_messages_signs_only_for_them() -> None:
    source = github(handshake=[VERIFIED])
    body = b'{"type": "challenge", "token": "abc"}'
    assert shells.post(source, body, {}).status_code == 401
    response = shells.post(source, body, sign(body))
    assert response.json() == {"signed": hmac.digest(SECRET.encode(), b"abc", "sha256").hex()}
    assert not Receipt.objects.exists()


def test_body_that_the_handshake_would_sign_is_no_message() -> None:
    rule = {"method": "GET", "when": {"query:t": "*"}, "text": "{hmac_sha256_hex:query:t}"}
    source = github(handshake=[rule])
    signature = Client().get(f"/in/{source.public_id}/?t=12345").content.decode()
    assert shells.post(source, b"12345", {"X-Hub-Signature-256": f"sha256={signature}"}).status_code == 401
    assert shells.post(source, b'{"a": 1}', sign(b'{"a": 1}')).status_code == 202


def test_secret_that_the_sender_gives_verifies_its_messages() -> None:
    source = github(secret=None, handshake=[HOOK_SECRET])
    given = shells.post(source, b"", {"X-Hook-Secret": "given"})
    assert (given.status_code, given["X-Hook-Secret"]) == (200, "given")
    assert SourceSecret.objects.get().is_received
    clear_snapshots()
    assert shells.post(source, b"{}", sign(b"{}", "given")).status_code == 202
    assert shells.post(source, b"", {"X-Hook-Secret": "given"}).status_code == 200


def test_secret_that_another_client_gives_later_is_refused() -> None:
    source = github(secret=None, handshake=[HOOK_SECRET])
    assert shells.post(source, b"", {"X-Hook-Secret": "given"}).status_code == 200
    clear_snapshots()
    assert shells.post(source, b"", {"X-Hook-Secret": "forged"}).status_code == 403
    assert Rejection.objects.get().reason == "challenge"
    assert SourceSecret.objects.count() == 1


def test_secret_of_the_operator_is_never_replaced_by_a_handshake() -> None:
    source = github(handshake=[HOOK_SECRET])
    assert shells.post(source, b"", {"X-Hook-Secret": "forged"}).status_code == 403
    assert shells.post(source, b"{}", sign(b"{}")).status_code == 202


def test_address_of_adobe_sign_repeats_the_client_id_of_the_source_and_no_other() -> None:
    source = make_source(**with_preset({"sender": "adobe-sign"}), secret="UB7E5BXCXY")
    for client, status in (("UB7E5BXCXY", 200), ("OTHER", 403), ("", 403)):
        response = Client().get(f"/in/{source.public_id}/", headers={"X-AdobeSign-ClientId": client})
        assert (response.status_code, response.get("X-AdobeSign-ClientId", "")) == (
            status,
            client if status == 200 else "",
        )


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("hub.mode=subscribe&hub.topic=t&hub.challenge=c", 200, b"c"),
        ("hub.mode=unsubscribe&hub.topic=t&hub.challenge=c", 200, b"c"),
        ("hub.mode=denied&hub.topic=t&hub.reason=gone", 200, b""),
        ("hub.mode=unsubscribe&hub.topic=other&hub.challenge=c", 403, b""),
        ("hub.mode=denied&hub.topic=other", 403, b""),
        ("hub.mode=other&hub.topic=t&hub.challenge=c", 403, b""),
    ],
)
def test_each_mode_of_websub_is_answered_for_the_topic_of_the_source(query: str, status: int, text: bytes) -> None:
    fields = with_preset({"sender": "websub", "verify_token": encrypt("t")})
    response = Client().get(f"/in/{make_source(**fields).public_id}/?{query}")
    assert response.status_code == status
    assert status != 200 or response.content == text


@pytest.mark.parametrize("name", ["Set-Cookie", "content-type", "X-Content-Type-Options", "Location", "Content-Length"])
def test_rule_sets_no_header_that_the_server_sets_or_that_acts_for_the_whole_domain(name: str) -> None:
    with pytest.raises(InvalidHandshake, match=r"must have no .* in headers"):
        read_rules([{"method": "GET", "text": "x", "headers": {name: "text/html"}}])


def test_text_that_is_repeated_is_never_html() -> None:
    source = github(handshake=[{"method": "GET", "when": {"query:c": "*"}, "text": "{query:c}"}])
    response = Client().get(f"/in/{source.public_id}/?c=word")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert Client().get(f"/in/{source.public_id}/?c=<b>").status_code == 403


def test_paused_source_answers_handshakes_and_a_deleted_one_does_not() -> None:
    source = github(handshake=[{"when": {"query:validationToken": "*"}, "text": "{query:validationToken}"}])
    path = f"/in/{source.public_id}/?validationToken=a%20b"

    def post() -> Any:
        clear_snapshots()
        return shells.current.post(path, b"", {})

    Source.objects.update(paused_at="2026-01-01T00:00:00Z")
    assert (post().status_code, post().content) == (200, b"a b")
    Source.objects.update(deleted_at="2026-01-01T00:00:00Z")
    assert post().status_code == 404


@pytest.mark.parametrize("method", ["get", "head"])
def test_get_and_head_are_answered_where_a_rule_says_so(method: str) -> None:
    source = github(handshake=[{"method": method.upper()}])
    assert getattr(Client(), method)(f"/in/{source.public_id}/").status_code == 200
    other = "head" if method == "get" else "get"
    assert getattr(Client(), other)(f"/in/{source.public_id}/").status_code == 405


def test_response_to_a_message_may_be_empty() -> None:
    response = shells.post(make_source(response_status=200, response_body=""), b"{}")
    assert (response.status_code, response.content) == (200, b"")


def test_responses_to_other_outcomes_are_those_of_the_source() -> None:
    voice = {"status": 200, "body": "<Response/>", "content_type": "text/xml"}
    source = github(responses={"duplicate": voice, "rejected": {"status": 403}, "paused": {"status": 200}})
    body, headers = b"{}", {**sign(b"{}"), "X-GitHub-Delivery": "1"}
    assert shells.post(source, body, headers).status_code == 202
    repeated = shells.post(source, body, headers)
    assert (repeated.status_code, repeated.content, repeated["Content-Type"]) == (200, b"<Response/>", "text/xml")
    refused = shells.post(source, body, {})
    assert (refused.status_code, refused.content) == (403, b"")
    Source.objects.update(paused_at="2026-01-01T00:00:00Z")
    clear_snapshots()
    paused = shells.post(source, body, headers)
    assert (paused.status_code, paused["Retry-After"]) == (200, "300")


def test_deleted_source_responds_to_signed_messages_as_it_was_told_and_404_to_others() -> None:
    source = github(responses={"deleted": {"status": 200, "body": json.dumps({"ok": True})}})
    Source.objects.update(deleted_at="2026-01-01T00:00:00Z")
    clear_snapshots()
    signed = shells.post(source, b"{}", sign(b"{}"))
    assert (signed.status_code, signed.json()) == (200, {"ok": True})
    assert shells.post(source, b"{}", {}).status_code == 404


def test_rule_may_make_the_response_to_a_message_that_is_stored() -> None:
    rule = {"stored": True, "when": {"header:X-Client": "*"}, "json": {"client": "{header:X-Client}"}}
    source = github(handshake=[rule])
    response = shells.post(source, b"{}", {**sign(b"{}"), "X-Client": "UB7E5BXCXY"})
    assert (response.status_code, response.json()) == (200, {"client": "UB7E5BXCXY"})
    assert Receipt.objects.count() == 1
    refused = shells.post(source, b"{}", {"X-Client": "UB7E5BXCXY"})
    assert (refused.status_code, Receipt.objects.count()) == (401, 1)
    assert shells.post(source, b"{}", {**sign(b"{}"), "X-Client": "<script>"}).status_code == 202
