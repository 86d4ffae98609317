"""Respond to the requests by which senders check an address before they use it, by rules that are data.

A rule is an object:

    method    GET, HEAD or POST (default)
    when      {path: value}: what the request must have at each path (``message_values``); "*" is any text,
              "{verify_token}", "{url}" and "{secret}" are those of the source
    verified  true: only for a message with a valid signature (POST)
    stored    true: the message is stored as usual, and the rule only makes its response; implies verified
    status    of the response: 200
    text      the body of the response, as text
    json      the body of the response, as JSON
    headers   {name: text} of the response
    keep      the path of a secret that the sender gives; it becomes the secret of the source if that has none

The first rule whose conditions hold decides. Texts and values may have placeholders: a path, such as {query:token};
{verify_token} and {url} of the source; {hmac_sha256_hex:path} and {hmac_sha256_base64:path}, signed with the newest
secret; {sha256_hex:path+path}, where verify_token and url are paths too.

What a request chooses is repeated only if it is printable ASCII without angle brackets, and signed only if it has the
form of a token. A body of that form is never accepted as a message (``is_token``), or a client could have one signed.
"""

import hashlib
import hmac
import json
import re
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from webhooks.wire import placeholders
from webhooks.wire.errors import unknown_member
from webhooks.wire.header_values import is_name
from webhooks.wire.message_values import MessageValues, is_in_body, is_path
from webhooks.wire.placeholders import Placeholder
from webhooks.wire.signing.hmac_signatures import constant_time_equal

MAX_RULES = 10  # of a source
MAX_KEPT = 1024  # characters of a secret that a sender gives
MAX_TOKEN_BODY = 300  # bytes; a longer body is not a token

HUB = {
    "method": "GET",
    "when": {"query:hub.mode": "subscribe", "query:hub.verify_token": "{verify_token}", "query:hub.challenge": "*"},
    "text": "{query:hub.challenge}",
}
"""The handshake of Meta, which many senders use: the rule of a source with a verify token and no other rules."""

_METHODS = ("GET", "HEAD", "POST")
_MEMBERS = {"method", "when", "verified", "status", "text", "json", "headers", "keep", "stored"}
_REPEATED = re.compile(r"[ !-;=?-~]{1,1024}")
_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{1,256}={0,2}")
_TOKEN_BODY = re.compile(rb"[A-Za-z0-9+/_-]{0,256}={0,2}\s*")
_OWN = ("verify_token", "url")
_OURS = frozenset(
    {
        *("connection", "content-length", "content-type", "date", "keep-alive", "server", "transfer-encoding"),
        *("trailer", "upgrade", "clear-site-data", "content-security-policy", "location", "refresh", "set-cookie"),
        *("strict-transport-security", "x-content-type-options", "x-frame-options"),
    }
)
"""Headers that no rule sets: those of the server, and those by which a browser would act for our whole domain."""
_SIGNED: dict[str, Callable[[bytes], str]] = {
    "hmac_sha256_hex": bytes.hex,
    "hmac_sha256_base64": lambda raw: b64encode(raw).decode(),
}


class InvalidHandshake(ValueError):
    """The rules cannot be used; the message completes a sentence about them."""


class HandshakeRejected(ValueError):
    """The request is none that the rules have a response to."""


@dataclass(frozen=True, slots=True)
class HandshakeRequest:
    """A request, and what the source has for a response to it. ``secrets`` are newest first."""

    method: str
    values: MessageValues
    is_verified: bool = False
    is_stored: bool = False
    secrets: Sequence[str] = ()
    verify_token: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class HandshakeReply:
    """A response, and the secret that is to be kept, if any."""

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, as it was read."""

    method: str
    when: Mapping[str, str]
    verified: bool
    status: int
    text: str | None
    json: Any
    headers: Mapping[str, str]
    keep: str
    stored: bool

    @property
    def reads_body(self) -> bool:
        """Return whether the rule needs the body."""
        return any(map(is_in_body, (*self.when, self.keep))) or "{body:" in f"{self.text}{self.json}{self.headers}"

    @property
    def signs(self) -> bool:
        """Return whether the rule signs what a request without a signature chooses."""
        return not self.verified and "{hmac_" in f"{self.text}{self.json}{self.headers}"


def read_rules(rules: Any) -> tuple[Rule, ...]:
    """Return the rules. Raises InvalidHandshake."""
    if not isinstance(rules, list) or len(rules) > MAX_RULES:
        raise InvalidHandshake(f"must be an array of at most {MAX_RULES} rules")
    return tuple(map(_read_rule, rules))


def reply_to(rules: Sequence[Rule], request: HandshakeRequest) -> HandshakeReply | None:
    """Return the response of the first rule whose conditions hold; None if there is none.

    Raises HandshakeRejected if the request has something that may not be repeated or signed.
    """
    for rule in rules:
        is_due = request.is_verified or not rule.verified
        if (rule.method, rule.stored) == (request.method, request.is_stored) and is_due and _holds(rule, request):
            return _reply(rule, request)
    return None


def is_token(body: bytes) -> bool:
    """Return whether a body could be what a handshake signs."""
    return len(body) <= MAX_TOKEN_BODY and _TOKEN_BODY.fullmatch(body) is not None


def _read_rule(rule: Any) -> Rule:
    if not isinstance(rule, dict):
        raise InvalidHandshake(f"must have rules that are objects with some of {', '.join(sorted(_MEMBERS))}")
    _, reason = unknown_member(rule, _MEMBERS)
    if reason:
        raise InvalidHandshake(f"must have rules without other members: {reason.removesuffix('.')}")
    method, when, headers = rule.get("method", "POST"), rule.get("when", {}), rule.get("headers", {})
    status, text = rule.get("status", 200), rule.get("text")
    keep, verified, stored = rule.get("keep", ""), rule.get("verified", False), rule.get("stored", False)
    checks = {
        "the method GET, HEAD or POST": method in _METHODS,
        "paths and texts in when": _is_texts(when) and all(map(is_path, when)),
        "header names and texts in headers": _is_texts(headers) and all(map(is_name, headers)),
        f"no {', '.join(sorted(_OURS))} in headers": _is_texts(headers) and _OURS.isdisjoint(map(str.lower, headers)),
        "a status from 200 to 599": type(status) is int and 200 <= status <= 599,
        "a string in text, or json instead": isinstance(text, str | None) and not (text and "json" in rule),
        "a path in keep": isinstance(keep, str) and (not keep or is_path(keep)),
        "true or false in verified and stored": isinstance(verified, bool) and isinstance(stored, bool),
        "a condition in when for POST, or verified": bool(when) or method != "POST" or verified or stored,
        "no keep, and the method POST, with stored": not stored or (method == "POST" and not keep),
    }
    for wanted, is_met in checks.items():
        if not is_met:
            raise InvalidHandshake(f"must have {wanted}")
    for template in (*_strings(rule.get("json")), *headers.values(), *(set(when.values()) - {"{secret}"}), text or ""):
        _check_template(template)
    return Rule(method, when, verified or stored, status, text, rule.get("json"), headers, keep, stored)


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for child in value.values() for text in _strings(child)]
    if isinstance(value, list):
        return [text for child in value for text in _strings(child)]
    return [value] if isinstance(value, str) else []


def _check_template(template: str) -> None:
    for part in placeholders.parse(template):
        if isinstance(part, Placeholder) and not _is_known(part):
            raise InvalidHandshake(f"must not have the placeholder {{{part.name}:{part.argument}}}")


def _is_known(part: Placeholder) -> bool:
    if not part.argument:
        return part.name in _OWN
    if part.name == "sha256_hex":
        return all(path in _OWN or is_path(path) for path in part.argument.split("+"))
    return is_path(part.argument if part.name in _SIGNED else f"{part.name}:{part.argument}")


def _holds(rule: Rule, request: HandshakeRequest) -> bool:
    return all(_is_met(path, wanted, request) for path, wanted in rule.when.items())


def _is_met(path: str, wanted: str, request: HandshakeRequest) -> bool:
    if is_in_body(path) and not _may_be_in(request.values.body, path, wanted):
        return False
    found = request.values.find(path)
    if wanted == "*":
        return bool(found)
    if wanted == "{secret}":
        return found is not None and any(constant_time_equal(secret, found) for secret in request.secrets)
    expected = _own(wanted[1:-1], request) if wanted in ("{verify_token}", "{url}") else wanted
    return bool(expected) and found is not None and constant_time_equal(expected, found)


def _may_be_in(body: bytes, path: str, wanted: str) -> bool:
    """Return whether a body may meet the condition, so that few messages are parsed for a handshake."""
    name = re.split("[/:]", path)[-1]
    return (name.isdigit() or name.encode() in body) and (wanted[:1] in ("*", "{") or wanted.encode() in body)


def _reply(rule: Rule, request: HandshakeRequest) -> HandshakeReply:
    headers = {name: _filled(text, request) for name, text in rule.headers.items()}
    secret = _kept(rule.keep, request) if rule.keep else ""
    if rule.text is not None:
        body, content_type = _filled(rule.text, request).encode(), "text/plain; charset=utf-8"
    elif rule.json is not None:
        body, content_type = json.dumps(_filled_json(rule.json, request)).encode(), "application/json"
    else:
        body, content_type = b"", ""
    return HandshakeReply(rule.status, body, content_type, headers, secret)


def _kept(path: str, request: HandshakeRequest) -> str:
    secret = request.values.find(path) or ""
    if not secret.strip() or len(secret) > MAX_KEPT or not secret.isprintable():
        raise HandshakeRejected(f"{path} must be a secret of 1 to {MAX_KEPT} printable characters.")
    return secret


def _filled_json(value: Any, request: HandshakeRequest) -> Any:
    if isinstance(value, dict):
        return {name: _filled_json(child, request) for name, child in value.items()}
    if isinstance(value, list):
        return [_filled_json(child, request) for child in value]
    return _filled(value, request) if isinstance(value, str) else value


def _filled(template: str, request: HandshakeRequest) -> str:
    return "".join(part if isinstance(part, str) else _value(part, request) for part in placeholders.parse(template))


def _value(part: Placeholder, request: HandshakeRequest) -> str:
    if part.name in _SIGNED:
        return _signature(part, request)
    if part.name == "sha256_hex":
        texts = (_own(path, request) if path in _OWN else _given(path, request) for path in part.argument.split("+"))
        return hashlib.sha256("".join(texts).encode()).hexdigest()
    return _given(f"{part.name}:{part.argument}", request) if part.argument else _own(part.name, request)


def _given(path: str, request: HandshakeRequest) -> str:
    value = request.values.find(path) or ""
    if not _REPEATED.fullmatch(value):
        raise HandshakeRejected(f"{path} must be 1 to 1024 printable ASCII characters without < and >.")
    return value


def _own(name: str, request: HandshakeRequest) -> str:
    return request.verify_token if name == "verify_token" else request.url


def _signature(part: Placeholder, request: HandshakeRequest) -> str:
    token = request.values.find(part.argument) or ""
    if not request.secrets or not _TOKEN.fullmatch(token):
        raise HandshakeRejected(f"{part.argument} must be a token in base64, and the source must have a secret.")
    return _SIGNED[part.name](hmac.digest(request.secrets[0].encode(), token.encode(), "sha256"))
