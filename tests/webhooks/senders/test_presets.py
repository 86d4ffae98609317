"""The shared battery of all known senders: genuine, altered, replayed, rotated secret, missing proof, wrong time.

Messages are signed by ``rules``, which share no code with the presets, or were published by the senders (``vectors``).
"""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from tests.webhooks.senders.rules import RULES, URL, Sent, mac, publishes
from tests.webhooks.senders.vectors import VECTORS, Vector
from webhooks import schemes
from webhooks.schemes import UnsignedMessage
from webhooks.senders.handshake import read_rules
from webhooks.senders.presets import (
    InvalidPreset,
    UnknownSender,
    all_senders,
    find_sender,
    read_preset,
    sender_names,
    with_preset,
)
from webhooks.wire.errors import BadSecret, SenderKeyRequired, SignatureError, StaleTimestamp
from webhooks.wire.header_values import lowered

NOW = 1_700_000_000
NAMES = sender_names()
WITHOUT_SECRET = {"github-secret-scanning", "google-pubsub", "mollie-classic", "strava"}
PATH = re.compile(r"header:[A-Za-z0-9-]+|body:/.*")

pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")


def options_of(name: str) -> dict[str, str]:
    own = RULES[name].fields.get("options", {})
    return {**find_sender(name).fields.get("options", {}), **own}


def tolerance_of(name: str) -> int:
    return int(find_sender(name).fields.get("timestamp_tolerance_seconds", 300))


def verify(name: str, sent: Sent, *secrets: str, now: int = NOW) -> None:
    """Verify a message as a source of this sender does."""
    schemes.verify(
        find_sender(name).fields["scheme"],
        [secret for secret in secrets if secret],
        lowered(sent.headers),
        sent.body,
        url=f"{URL}?{sent.query}" if sent.query else URL,
        now=now,
        tolerance=tolerance_of(name),
        options=options_of(name),
        fetch=RULES[name].fetch,
    )


def rejects(name: str, sent: Sent, *secrets: str, now: int = NOW) -> None:
    with pytest.raises(SignatureError):
        verify(name, sent, *secrets, now=now)


def test_every_preset_has_a_rule_and_there_are_at_least_65() -> None:
    assert set(RULES) == set(NAMES)
    assert len(NAMES) >= 65


@pytest.mark.parametrize("name", NAMES)
def test_preset_says_where_its_facts_are_and_works_with_its_scheme(name: str) -> None:
    sender = find_sender(name)
    assert sender.label
    assert sender.docs.startswith("https://")
    assert re.fullmatch(r"[a-z0-9-]+", sender.logo)
    assert bool(sender.secret) == (name not in WITHOUT_SECRET)
    schemes.get(sender.fields["scheme"], sender.fields.get("options"))
    read_rules(sender.fields.get("handshake", []))
    paths = [sender.fields.get(f"{what}_path", "") for what in ("message_id", "event_type", "order_key")]
    assert all(PATH.fullmatch(path) for path in paths if path)
    assert "/0/" not in paths[0]  # the id of the first event, which another message may have beside others


@pytest.mark.parametrize("name", NAMES)
def test_genuine_message_is_accepted(name: str) -> None:
    rule = RULES[name]
    verify(name, rule.sign(rule.secret, NOW), rule.secret)


@pytest.mark.parametrize("name", [name for name in NAMES if RULES[name].altered])
def test_altered_message_is_rejected(name: str) -> None:
    rule = RULES[name]
    sent = rule.sign(rule.secret, NOW)
    assert rule.altered
    assert rule.altered[0] in sent.body
    rejects(name, replace(sent, body=sent.body.replace(*rule.altered)), rule.secret)


@pytest.mark.parametrize("name", [name for name in NAMES if RULES[name].secret])
def test_rotated_secret_is_accepted_beside_the_old_one_and_no_other(name: str) -> None:
    rule = RULES[name]
    for secret in (rule.secret, rule.other):
        verify(name, rule.sign(secret, NOW), rule.secret, rule.other)
    rejects(name, rule.sign(rule.other, NOW), rule.secret)
    with pytest.raises(BadSecret):
        verify(name, rule.sign(rule.secret, NOW))


@pytest.mark.parametrize("name", [name for name in NAMES if find_sender(name).fields["scheme"] != "none"])
def test_message_without_its_proof_is_rejected(name: str) -> None:
    rule = RULES[name]
    sent = rule.sign(rule.secret, NOW)
    for header in sent.proof:
        rest = {key: value for key, value in sent.headers.items() if key != header}
        rejects(name, replace(sent, headers=rest), rule.secret)
        rejects(name, replace(sent, headers={**rest, header: ""}), rule.secret)
    bare = replace(sent, headers={}, query="", body=sent.body if sent.proof or sent.query else b"{}")
    rejects(name, bare, rule.secret)


@pytest.mark.parametrize("name", [name for name in NAMES if RULES[name].timed])
def test_replayed_and_forward_dated_messages_are_rejected(name: str) -> None:
    rule, tolerance = RULES[name], tolerance_of(name)
    for away in (1 - tolerance, tolerance - 1):
        verify(name, rule.sign(rule.secret, NOW - away), rule.secret)
    for away in (-tolerance - 2, tolerance + 2, 10**8):
        with pytest.raises(StaleTimestamp):
            verify(name, rule.sign(rule.secret, NOW - away), rule.secret)


@pytest.mark.parametrize("name", [name for name in NAMES if RULES[name].secret])
def test_sample_that_is_signed_for_a_test_is_accepted_and_with_another_secret_it_is_not(name: str) -> None:
    rule, scheme = RULES[name], schemes.get(find_sender(name).fields["scheme"], options_of(name))
    draft = UnsignedMessage(b'{"type":"waypost.test"}', URL, NOW, "msg_1", "waypost.test")
    try:
        sample = scheme.sign(rule.secret, draft)
    except SenderKeyRequired:
        return
    sent = Sent(sample.headers, sample.body, sample.query)
    verify(name, sent, rule.secret)
    rejects(name, sent, rule.other)


def key_document(vector: Vector) -> bytes:
    """Return the keys as GitHub publishes them, with that of a vector."""
    text = f"-----BEGIN PUBLIC KEY-----\n{vector.published_key}\n-----END PUBLIC KEY-----\n"
    name = vector.headers["Github-Public-Key-Identifier"]
    return json.dumps({"public_keys": [{"key_identifier": name, "key": text, "is_current": True}]}).encode()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda it: f"{it.sender}: {it.place}")
def test_message_that_the_sender_publishes_is_accepted_and_altered_it_is_not(vector: Vector) -> None:
    def check(**changes: Any) -> None:
        sender = find_sender(vector.sender).fields
        message = {"headers": lowered(vector.headers), "body": vector.body, **changes}
        if vector.published_key:
            message["fetch"] = publishes(key_document(vector))
        secrets = [vector.secret] if vector.secret else []
        schemes.verify(
            sender["scheme"], secrets, url=vector.url, now=vector.now, options=sender.get("options"), **message
        )

    check()
    middle = len(vector.body) // 2
    with pytest.raises(SignatureError):
        check(body=vector.body[:middle] + b"~" + vector.body[middle + 1 :])


def test_one_of_several_signatures_in_a_header_is_enough() -> None:
    """Check the lists by which senders rotate secrets: commas, repeated members, sets side by side, other headers."""
    for name in ("pagerduty", "calendly", "persona", "recurly", "paddle"):
        rule = RULES[name]
        first, second = (rule.sign(secret, NOW) for secret in (rule.other, rule.secret))
        [header] = first.proof
        old, new = first.headers[header], second.headers[header]
        joint = " " if name == "persona" else ";" if name == "paddle" else ","
        both = f"{old},{new.partition(',')[2]}" if name == "recurly" else f"{old}{joint}{new}"
        verify(name, replace(first, headers={header: both}), rule.secret)
    docusign = RULES["docusign"].sign(RULES["docusign"].secret, NOW)
    [signature] = docusign.headers.values()
    headers = {"X-DocuSign-Signature-1": "other", "X-DocuSign-Signature-7": signature}
    verify("docusign", replace(docusign, headers=headers), RULES["docusign"].secret)


def test_two_times_in_one_header_are_rejected() -> None:
    rule = RULES["calendly"]
    old, new = (rule.sign(rule.secret, now).headers["Calendly-Webhook-Signature"] for now in (NOW - 1, NOW))
    rejects("calendly", Sent({"Calendly-Webhook-Signature": f"{old},{new}"}), rule.secret)


def test_algorithm_that_the_options_do_not_allow_is_rejected() -> None:
    rule = RULES["websub"]
    for value in ("md5=" + "0" * 32, "none=", "=x", "sha256"):
        rejects("websub", Sent({"X-Hub-Signature": value}), rule.secret)


@pytest.mark.parametrize("left_out", ["x-contentful-signed-headers", "x-contentful-timestamp"])
def test_list_of_signed_headers_without_itself_or_the_time_is_rejected(left_out: str) -> None:
    """Sign a message, as a sender with the secret could, whose list leaves a header open to change."""
    rule = RULES["contentful"]
    sent = rule.sign(rule.secret, NOW)
    listed = [name for name in sent.headers["x-contentful-signed-headers"].split(",") if name != left_out]
    headers = {**sent.headers, "x-contentful-signed-headers": ",".join(listed)}
    signed = ";".join(f"{name}:{headers[name]}" for name in listed)
    content = "\n".join(["POST", "/in/src_1/", signed, sent.body.decode()]).encode()
    headers["x-contentful-signature"] = mac(rule.secret, content).hex()
    rejects("contentful", replace(sent, headers=headers), rule.secret)


def test_graph_rejects_a_message_of_which_one_part_has_another_state() -> None:
    rule = RULES["microsoft-graph"]
    sent = rule.sign(rule.secret, NOW)
    body = sent.body.replace(rule.secret.encode(), b"forged", 1)
    rejects("microsoft-graph", replace(sent, body=body), rule.secret)


def test_preset_is_completed_by_what_is_given() -> None:
    fields = with_preset({"sender": "zoom", "response_status": 204, "options": {"header": "x-other"}})
    assert (fields["scheme"], fields["response_status"]) == ("hmac", 204)
    assert fields["options"] == {**find_sender("zoom").fields["options"], "header": "x-other"}


@pytest.mark.parametrize("name", ["", "nonsense", "../zoom", "ZOOM"])
def test_unknown_sender_is_not_found(name: str) -> None:
    with pytest.raises(UnknownSender):
        find_sender(name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "label = ",
        'label = "A"\ndocs = "https://a.example"\nlogo = "a"',
        'label = "A"\ndocs = "https://a.example"\nlogo = "a"\nscheme = "none"\nmax_bytes = 1',
    ],
)
def test_file_that_is_no_preset_is_refused(text: str) -> None:
    with pytest.raises(InvalidPreset):
        read_preset("a", text)


def test_senders_are_listed_by_name() -> None:
    assert [sender.name for sender in all_senders()] == sorted(NAMES)
