"""Check the rules of handshakes: which request they answer, with what, and what they refuse to repeat or sign."""

import hashlib
import hmac
import json
from base64 import b64encode
from typing import Any

import pytest

from webhooks.schemes.twitter import Twitter
from webhooks.senders.handshake import (
    HUB,
    HandshakeRejected,
    HandshakeReply,
    HandshakeRequest,
    InvalidHandshake,
    is_token,
    read_rules,
    reply_to,
)
from webhooks.wire.message_values import MessageValues


def ask(
    *rules: Any,
    method: str = "POST",
    query: str = "",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    **own: Any,
) -> HandshakeReply | None:
    request = HandshakeRequest(method, MessageValues(headers or {}, query, body), **own)
    return reply_to(read_rules(list(rules)), request)


def test_parameter_is_repeated_as_text() -> None:
    rule = {"when": {"query:validationToken": "*"}, "text": "{query:validationToken}"}
    reply = ask(rule, query="validationToken=Validation%3a+Request-Id%3a+522a")
    assert reply == HandshakeReply(200, b"Validation: Request-Id: 522a", "text/plain; charset=utf-8")
    assert ask(rule, query="other=1") is None


def test_member_of_the_body_is_repeated_as_json() -> None:
    rule = {"when": {"body:/challenge": "*"}, "json": {"challenge": "{body:/challenge}"}}
    reply = ask(rule, body=b'{"challenge": "3eZb\\"x"}')
    assert reply is not None
    assert (reply.content_type, json.loads(reply.body)) == ("application/json", {"challenge": '3eZb"x'})


def test_header_is_repeated_as_a_header() -> None:
    rule = {"when": {"header:X-Hook-Secret": "*"}, "headers": {"X-Hook-Secret": "{header:X-Hook-Secret}"}}
    reply = ask(rule, headers={"x-hook-secret": "abc"})
    assert reply == HandshakeReply(200, headers={"X-Hook-Secret": "abc"})


@pytest.mark.parametrize("value", ["", "<b>x", "é", "a\nb", "x" * 1025, "\0"])
def test_value_that_a_browser_or_a_header_could_misread_is_not_repeated(value: str) -> None:
    rule = {"when": {"query:go": "1"}, "text": "{header:X-Echo}"}
    with pytest.raises(HandshakeRejected):
        ask(rule, query="go=1", headers={"x-echo": value})


def test_token_is_signed_with_the_newest_secret() -> None:
    rule = {
        "method": "GET",
        "when": {"query:t": "*"},
        "json": {"hex": "{hmac_sha256_hex:query:t}", "base64": "sha256={hmac_sha256_base64:query:t}"},
    }
    reply = ask(rule, method="GET", query="t=MGYxYmY0-_%2B/==", secrets=["new", "old"])
    digest = hmac.digest(b"new", b"MGYxYmY0-_+/==", "sha256")
    assert reply is not None
    assert json.loads(reply.body) == {"hex": digest.hex(), "base64": "sha256=" + b64encode(digest).decode()}


@pytest.mark.parametrize("token", ["", "a b", "{}", "[1]", "a" * 257, "a===", "=", "é", "a\n", '"a"', "hmacsha256={}"])
def test_token_that_could_be_a_message_is_not_signed(token: str) -> None:
    rule = {"when": {"query:go": "1"}, "text": "{hmac_sha256_hex:header:t}"}
    with pytest.raises(HandshakeRejected):
        ask(rule, query="go=1", headers={"t": token}, secrets=["s"])


@pytest.mark.parametrize("body", [b"", b"12345", b"true", b"a" * 256 + b"==", b"MGYxYmY0=\n"])
def test_body_that_a_handshake_could_sign_is_a_token(body: bytes) -> None:
    assert is_token(body)


@pytest.mark.parametrize("body", [b"a" * 257, b"a" * 256 + b"===", b"\xff", b"1.5", b"{}"])
def test_body_that_no_handshake_signs_is_no_token(body: bytes) -> None:
    assert not is_token(body)


def test_token_without_a_secret_is_not_signed() -> None:
    with pytest.raises(HandshakeRejected):
        ask(*Twitter.handshake, method="GET", query="crc_token=abc")


def test_digest_of_values_and_of_the_source_is_made_in_their_order() -> None:
    """EBay's rule: challenge code, verification token, endpoint."""
    rule = {
        "method": "GET",
        "when": {"query:challenge_code": "*"},
        "json": {"challengeResponse": "{sha256_hex:query:challenge_code+verify_token+url}"},
    }
    own = {"verify_token": "token", "url": "https://example.com/in"}
    reply = ask(rule, method="GET", query="challenge_code=a8628072", **own)
    expected = hashlib.sha256(b"a8628072tokenhttps://example.com/in").hexdigest()
    assert reply is not None
    assert json.loads(reply.body) == {"challengeResponse": expected}


def test_rule_for_verified_messages_does_not_answer_others() -> None:
    rule = {"verified": True, "when": {"body:/event": "endpoint.url_validation"}}
    body = b'{"event":"endpoint.url_validation"}'
    assert ask(rule, body=body) is None
    assert ask(rule, body=body, is_verified=True) == HandshakeReply(200)


def test_verify_token_must_be_set_and_equal() -> None:
    query = "hub.mode=subscribe&hub.verify_token=word&hub.challenge=1158201444"
    answered = ask(HUB, method="GET", query=query, verify_token="word")
    assert answered is not None
    assert answered.body == b"1158201444"
    assert ask(HUB, method="GET", query=query, verify_token="other") is None
    assert ask(HUB, method="GET", query="hub.mode=subscribe&hub.verify_token=&hub.challenge=1") is None


def test_first_rule_whose_conditions_hold_answers() -> None:
    """Fitbit's rule: 204 for the right code, 404 for any other."""
    rules = [
        {"method": "GET", "when": {"query:verify": "{verify_token}"}, "status": 204},
        {"method": "GET", "when": {"query:verify": "*"}, "status": 404},
    ]
    codes = [("right", 204), ("wrong", 404)]
    for code, status in codes:
        assert ask(*rules, method="GET", query=f"verify={code}", verify_token="right") == HandshakeReply(status)


def test_head_and_get_without_conditions_are_answered() -> None:
    rules = [{"method": "HEAD"}, {"method": "GET", "text": "ok"}]
    assert ask(*rules, method="HEAD") == HandshakeReply(200)
    assert ask(*rules, method="POST") is None


def test_secret_in_a_header_or_member_is_kept() -> None:
    rule = {"when": {"body:/verification_token": "*"}, "keep": "body:/verification_token"}
    reply = ask(rule, body=b'{"verification_token": "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"}')
    assert reply is not None
    assert reply.secret == "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"
    with pytest.raises(HandshakeRejected):
        ask(rule, body=json.dumps({"verification_token": "x" * 1025}).encode())


def test_form_field_is_a_condition_of_an_unsigned_ping() -> None:
    rule = {"when": {"form:webhook_id": "*"}}
    assert ask(rule, body=b"webhook_id=42") == HandshakeReply(200)
    assert ask(rule, body=b'{"webhook_id": 42}') is None


@pytest.mark.parametrize(
    "rules",
    [
        {},
        [1],
        [{"when": {}}],
        [{"method": "PUT"}],
        [{"method": "GET", "when": {"x": "*"}}],
        [{"method": "GET", "when": {"query:a": 1}}],
        [{"method": "GET", "status": 100}],
        [{"method": "GET", "status": True}],
        [{"method": "GET", "text": 1}],
        [{"method": "GET", "text": "a", "json": {}}],
        [{"method": "GET", "text": "{unknown}"}],
        [{"method": "GET", "text": "{hmac_sha256_hex:nothing}"}],
        [{"method": "GET", "json": {"a": ["{sha256_hex:query:a+other}"]}}],
        [{"method": "GET", "headers": {"a b": "c"}}],
        [{"method": "GET", "keep": "everything"}],
        [{"method": "GET", "verified": "yes"}],
        [{"method": "GET", "more": 1}],
        [{"method": "GET", "stored": True}],
        [{"stored": True, "keep": "query:a"}],
        [{"method": "GET"}] * 11,
    ],
)
def test_invalid_rules_are_refused(rules: Any) -> None:
    with pytest.raises(InvalidHandshake):
        read_rules(rules)
