"""Test every known sender over REST and HTTP: a source by its name and secret only, its handshake, its messages."""

import hmac
import json
import time
from base64 import b64encode
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.test import Client
from urllib3.filepost import encode_multipart_formdata

from tests.factories import make_client
from tests.webhooks.senders import rules
from tests.webhooks.senders.handshakes import PUBLIC, VERIFY, Handshake, handshakes
from tests.webhooks.senders.rules import RULES, Rule, Sent
from webhooks.models import Receipt, Source, SourceSecret
from webhooks.outgoing.call_messages import CallResponse
from webhooks.receiving import published_keys
from webhooks.senders.presets import find_sender, sender_names
from webhooks.sources.snapshot import clear_snapshots, find_source

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("receiver", "rules", "dns", "key_servers"),
    pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning"),
]

NAMES = sender_names()
NEEDED = {"verify_token": VERIFY, "public_url": PUBLIC}
SIGNS_URL = {"contentful", "hubspot", "mandrill", "plivo", "square", "trello", "twilio", "twilio-voice"}
WITH_HANDSHAKE = sorted(handshakes("s"))
GIVES_SECRET = {"asana", "notion"}


@pytest.fixture
def key_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish the keys of the senders that publish theirs, without a network."""
    documents = {
        "api.github.com": rules.SECRET_SCANNING_KEYS,
        "www.googleapis.com": rules.GOOGLE_KEYS,
        "api.paypal.com": rules.certificate(days=9_000),
        "sns.eu-west-1.amazonaws.com": rules.certificate(days=9_000),
    }

    def start_call(_method: str, url: str, **_: Any) -> Future[CallResponse]:
        result: Future[CallResponse] = Future()
        result.set_result(CallResponse(url, 200, {}, documents[urlsplit(url).hostname or ""], truncated=False))
        return result

    monkeypatch.setattr(published_keys, "start_call", start_call)


def create(name: str, **fields: Any) -> Source:
    """Create a source with the name of a sender, its secret, and what the sender needs."""
    rule, sender = RULES[name], find_sender(name)
    needed = {field: NEEDED[field] for field in sender.needs if field in NEEDED}
    secret = {"secret": rule.secret} if rule.secret and name not in GIVES_SECRET else {}
    body = {"sender": name, **secret, **needed, **rule.fields, **fields}
    response = make_client(None).post("/api/v1/sources/", body, format="json")
    assert response.status_code == 201, response.content
    return Source.objects.get()


def send(source: Source, sent: Sent, method: str = "POST") -> Any:
    clear_snapshots()
    path = f"/in/{source.public_id}/" + (f"?{sent.query}" if sent.query else "")
    headers = {name: value for name, value in sent.headers.items() if name != "Content-Type"}
    content_type = sent.headers.get("Content-Type", "application/json")
    return Client().generic(method, path, sent.body, content_type=content_type, headers=headers)


def prepared(name: str, **fields: Any) -> tuple[Source, Rule]:
    """Return a source with a secret, also where the sender gives it."""
    if name in SIGNS_URL:
        fields["public_url"] = rules.URL
    return create(name, **({"secret": RULES[name].secret} if name in GIVES_SECRET else {}), **fields), RULES[name]


@pytest.mark.parametrize("name", NAMES)
def test_message_to_a_source_by_name_is_stored_and_answered_as_its_sender_wants(name: str) -> None:
    source, rule = prepared(name)
    preset = find_sender(name).fields
    response = send(source, rule.sign(rule.secret, int(time.time())))
    stored = [it for it in preset.get("handshake", ()) if it.get("stored")]
    assert response.status_code == (200 if stored else preset.get("response_status", 202)), response.content
    receipt = Receipt.objects.get()
    assert (receipt.secret_id is not None) == bool(rule.secret)
    if preset.get("response_body") is not None:
        assert response.content.decode() == preset["response_body"]
    elif not stored and response.status_code != 204:
        assert response.json() == {"receipt": receipt.public_id}


@pytest.mark.parametrize("name", [name for name in NAMES if find_sender(name).fields["scheme"] != "none"])
def test_forged_message_to_a_source_by_name_is_refused(name: str) -> None:
    source, rule = prepared(name)
    sent = rule.sign(rule.other, int(time.time())) if rule.other else Sent({})
    assert send(source, sent).status_code == 401
    assert not Receipt.objects.exists()


def test_large_form_of_mandrill_is_verified_and_stored() -> None:
    source, rule = prepared("mandrill")
    events = json.dumps([{"event": "inbound", "msg": {"text": "x" * 1_100_000}}])
    content = f"{rules.URL}mandrill_events{events}"
    signature = b64encode(hmac.digest(rule.secret.encode(), content.encode(), "sha1")).decode()
    headers = {"X-Mandrill-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    assert send(source, Sent(headers, urlencode({"mandrill_events": events}).encode())).status_code == 200
    assert Receipt.objects.get().size > 1_100_000


def test_mail_that_mailgun_forwards_with_a_large_attachment_is_verified_and_stored() -> None:
    source, rule = prepared("mailgun")
    fields = {"timestamp": str(int(time.time())), "token": "t" * 50}
    signed_text = fields["timestamp"] + fields["token"]
    fields["signature"] = hmac.digest(rule.secret.encode(), signed_text.encode(), "sha256").hex()
    body, content_type = encode_multipart_formdata(
        [*fields.items(), ("attachment-1", ("mail.pdf", b"\r\n--x" * 1_000_000))]
    )
    assert send(source, Sent({"Content-Type": content_type}, body)).status_code == 200
    assert send(source, Sent({"Content-Type": content_type}, body.replace(b"ttt", b"ttu", 1))).status_code == 401
    assert Receipt.objects.get().form()["token"] == fields["token"]


def test_deliveries_of_woocommerce_in_one_second_are_all_stored_although_they_share_an_id() -> None:
    source, rule = prepared("woocommerce")
    for number in (1, 2):
        body = b'{"id":%d}' % number
        signature = rules.base64(rules.mac(rule.secret, body))
        headers = {"X-WC-Webhook-Signature": signature, "X-WC-Webhook-Delivery-ID": "0f8a5c1e"}
        assert send(source, Sent(headers, body)).status_code == 200
    assert Receipt.objects.count() == 2


@pytest.mark.parametrize("name", WITH_HANDSHAKE)
def test_handshake_is_answered_as_the_sender_documents_it_and_stores_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = create(name)
    secret = RULES[name].secret
    example = handshakes(secret)[name]
    response = send(source, signed(name, example, monkeypatch), example.method)
    assert response.status_code == example.status, response.content
    if example.text is not None:
        assert response.content.decode() == example.text
    if example.json is not None:
        assert response.json() == example.json
    assert {header: response[header] for header in example.shown} == example.shown
    assert not Receipt.objects.exists()
    if example.keeps:
        [kept] = find_source(source.public_id).secrets  # type: ignore[union-attr]
        assert (kept.text, SourceSecret.objects.get().is_received) == (example.keeps, True)


def signed(name: str, example: Handshake, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Return the request of a handshake, signed by the rule of its sender if it is signed."""
    if not example.is_signed:
        return Sent(example.headers, example.body, example.query)
    monkeypatch.setattr(rules, "BODY", example.body)
    sent = RULES[name].sign(RULES[name].secret, int(time.time()))
    return Sent({**sent.headers, **example.headers}, example.body, example.query)


@pytest.mark.parametrize("name", sorted(name for name in WITH_HANDSHAKE if handshakes("s")[name].is_signed))
def test_handshake_that_is_signed_is_refused_without_its_signature(name: str) -> None:
    example = handshakes(RULES[name].secret)[name]
    assert send(create(name), Sent(example.headers, example.body, example.query)).status_code == 401


def test_handshake_with_another_verify_token_is_refused() -> None:
    for name, parameter in (("fitbit", "verify"), ("meta", "hub.verify_token"), ("strava", "hub.verify_token")):
        source = create(name)
        query = f"hub.mode=subscribe&hub.challenge=1&{parameter}=forged"
        assert send(source, Sent({}, b"", query), "GET").status_code == (404 if name == "fitbit" else 403)
        source.secrets.all().delete()
        source.delete()


def test_sender_with_a_handshake_has_an_example_of_it() -> None:
    with_rules = {name for name in NAMES if find_sender(name).fields.get("handshake")}
    assert with_rules == set(WITH_HANDSHAKE)
