"""Describe in words how a sender proves its messages and checks an address: for the documentation and the API."""

from collections.abc import Mapping
from typing import Any

from webhooks.senders.presets import Sender

NO_CONTENT = 204
_SCHEMES = {
    "basic": "HTTP Basic",
    "github": "HMAC-SHA-256 of `{body}` in `x-hub-signature-256`",
    "gitlab": "secret in `x-gitlab-token`",
    "meta": "HMAC-SHA-256 of `{body}` in `x-hub-signature-256`",
    "none": "none",
    "paypal": "RSA signature by PayPal's certificate",
    "shopify": "HMAC-SHA-256 of `{body}` in `x-shopify-hmac-sha256`",
    "slack": "HMAC-SHA-256 of `v0:{timestamp}:{body}` in `x-slack-signature`",
    "sns": "RSA signature by Amazon's certificate",
    "square": "HMAC-SHA-256 of `{url}{body}` in `x-square-hmacsha256-signature`",
    "standard": "Standard Webhooks",
    "stripe": "HMAC-SHA-256 of `{timestamp}.{body}` in `stripe-signature`",
    "svix": "Standard Webhooks in `svix-` headers",
    "twilio": "HMAC-SHA-1 of the URL and the form in `x-twilio-signature`",
    "twitter": "HMAC-SHA-256 of `{body}` in `x-twitter-webhooks-signature`",
}


def proof(sender: Sender) -> str:
    """Return how a message of the sender is verified."""
    scheme, options = sender.fields["scheme"], sender.fields.get("options", {})
    if scheme == "hmac":
        return _hmac(options)
    if scheme == "public_key":
        return f"{options.get('algorithm', 'ed25519')} {_signed(options)}"
    if scheme == "token":
        return f"secret in {place(options.get('path') or 'header:' + options.get('header', 'x-api-key'))}"
    if scheme == "jwt":
        return f"JWT in {place(options.get('token_path') or 'header:' + options.get('header', 'authorization'))}"
    return str(_SCHEMES.get(scheme, f"scheme `{scheme}`"))


def handshake(sender: Sender) -> str:
    """Return the requests by which the sender checks an address."""
    rules = sender.fields.get("handshake", [])
    found = [_rule(rule) for rule in rules]
    return "; ".join(dict.fromkeys(found)) or "none"


def place(path: str) -> str:
    """Return a path in words; none if it is empty."""
    part, _, name = path.partition(":")
    if not path:
        return "none"
    return f"`{name}`" if part == "header" else f"{part} `{name}`" if name else part


def response(sender: Sender) -> str:
    """Return the response to a message."""
    status, body = sender.fields.get("response_status", 202), sender.fields.get("response_body")
    if any(rule.get("stored") for rule in sender.fields.get("handshake", ())):
        return "200, by a rule"
    if body is None or status == NO_CONTENT:
        return f"{status}" if status == NO_CONTENT else f"{status}, receipt"
    if not body:
        return f"{status}, empty"
    return f"{status}, {sender.fields.get('response_content_type') or 'application/json'}"


def _hmac(options: Mapping[str, str]) -> str:
    digest = options.get("algorithm", "sha256").partition(",")[0].upper().replace("SHA", "SHA-")
    is_plain = "{secret}" in options.get("signed", "")
    return f"{digest if is_plain else f'HMAC-{digest}'} {_signed(options)}"


def _signed(options: Mapping[str, str]) -> str:
    header, _, others = options.get("header", "x-signature").partition(",")
    where = place(options.get("signature_path") or f"header:{header}") + (" and others" if others else "")
    return f"of `{options.get('signed', '{body}')}` in {where}"


def _rule(rule: Mapping[str, Any]) -> str:
    method = rule.get("method", "POST")
    template = f"{rule.get('text', '')}{rule.get('json', '')}{rule.get('headers', '')}"
    if rule.get("keep"):
        return f"{method} that gives the secret"
    if "hmac_" in template or "sha256_hex" in template:
        return f"{method} challenge, signed"
    if "{query:" in template or "{body:" in template or "{header:" in template or "{form:" in template:
        return f"{method} challenge, repeated"
    return f"{method}, response {rule.get('status', 200)}"
