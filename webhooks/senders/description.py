"""Describe in words how a sender proves its messages and checks an address: for the documentation and the API."""

from collections.abc import Mapping
from typing import Any

from webhooks.senders.presets import Sender

_SCHEMES = {
    "basic": "HTTP Basic",
    "bearer": "bearer token",
    "none": "none: the sender offers no proof",
    "standard": "Standard Webhooks",
    "svix": "Standard Webhooks in `svix-` headers",
}


def proof(sender: Sender) -> str:
    """Return how a message of the sender is verified."""
    scheme, options = sender.fields["scheme"], sender.fields.get("options", {})
    if scheme == "hmac":
        return _hmac(options)
    if scheme == "public_key":
        return f"{options.get('algorithm', 'ed25519')} {_signed(options)}"
    if scheme == "token":
        return f"secret in {_path(options.get('path') or 'header:' + options.get('header', 'x-api-key'))}"
    if scheme == "jwt":
        return f"JWT in {_path(options.get('token_path') or 'header:' + options.get('header', 'authorization'))}"
    return _SCHEMES.get(scheme, f"scheme `{scheme}`")


def handshake(sender: Sender) -> str:
    """Return the requests by which the sender checks an address."""
    rules = sender.fields.get("handshake", [])
    found = [_rule(rule) for rule in rules]
    return "; ".join(dict.fromkeys(found)) or "none"


def message_id(sender: Sender, of_scheme: str) -> str:
    """Return where the message id is; ``of_scheme``: where the scheme has it."""
    options = sender.fields.get("options", {})
    found = sender.fields.get("message_id_path") or of_scheme
    found = found or (f"header:{options['id_header']}" if options.get("id_header") else "")
    if found:
        return _path(found)
    dedupe = sender.fields.get("dedupe")
    return "none; by content" if dedupe == "content" else "none"


def order_key(sender: Sender) -> str:
    """Return where the order key is."""
    found = sender.fields.get("order_key_path", "")
    return _path(found) if found else "none"


def answer(sender: Sender) -> str:
    """Return the response to a message."""
    status, body = sender.fields.get("response_status", 202), sender.fields.get("response_body")
    if body is None:
        return f"{status}, receipt"
    if not body:
        return f"{status}, empty"
    return f"{status}, {sender.fields.get('response_content_type') or 'application/json'}"


def _hmac(options: Mapping[str, str]) -> str:
    digest = options.get("algorithm", "sha256").partition(",")[0].upper().replace("SHA", "SHA-")
    is_plain = "{secret}" in options.get("signed", "")
    return f"{digest if is_plain else f'HMAC-{digest}'} {_signed(options)}"


def _signed(options: Mapping[str, str]) -> str:
    place = options.get("signature_path") or f"header:{options.get('header', 'x-signature')}"
    return f"of `{options.get('signed', '{body}')}` in {_path(place)}".replace("\n", "\\n")


def _path(path: str) -> str:
    part, _, name = path.partition(":")
    return f"`{name}`" if part == "header" else f"{part} `{name}`" if name else part


def _rule(rule: Mapping[str, Any]) -> str:
    method, template = (
        rule.get("method", "POST"),
        f"{rule.get('text', '')}{rule.get('json', '')}{rule.get('headers', '')}",
    )
    if rule.get("keep"):
        return f"{method} that gives the secret"
    if "hmac_" in template or "sha256_hex" in template:
        return f"{method} challenge, signed"
    if "{query:" in template or "{body:" in template or "{header:" in template or "{form:" in template:
        return f"{method} challenge, repeated"
    return f"{method} answered {rule.get('status', 200)}"
