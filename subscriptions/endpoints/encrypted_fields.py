"""What an endpoint is sent with and nobody is to read: encrypted in one piece, what may be seen of it stands beside.

The columns ``headers``, ``auth`` and ``tls`` of an endpoint hold what a reader of the database, of a log or of the
API may know: the names of headers, the kind of authentication, whose a certificate is. ``ciphertext`` holds all of it
in full. What comes back as it was shown means "as it was".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from subscriptions.endpoints.certificates import public_tls
from subscriptions.endpoints.credentials import auth_header, public_auth
from subscriptions.errors import Invalid, StateConflict
from subscriptions.models import Endpoint
from webhooks.kit.encryption import CannotDecrypt, decrypt, encrypt
from webhooks.wire.custom_headers import ForbiddenHeader, check

__all__ = ["FIELDS", "MASK", "EncryptedFields", "apply_changes", "decrypt_fields", "request_headers", "to_columns"]

MASK = "***"
FIELDS = ("headers", "auth", "tls")


@dataclass(frozen=True, slots=True)
class EncryptedFields:
    """Headers of its own, and how it knows us; all in full."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: Mapping[str, str] = field(default_factory=dict, repr=False)


def decrypt_fields(endpoint: Endpoint) -> EncryptedFields:
    """Everything in full. Raises CannotDecrypt."""
    return EncryptedFields(**json.loads(decrypt(endpoint.ciphertext))) if endpoint.ciphertext else EncryptedFields()


def to_columns(given: EncryptedFields) -> dict[str, Any]:
    """What to write into the columns of the endpoint."""
    full = {name: getattr(given, name) for name in FIELDS if getattr(given, name)}
    return {
        "headers": dict.fromkeys(given.headers, MASK),
        "auth": public_auth(given.auth),
        "tls": public_tls(given.tls),
        "ciphertext": encrypt(json.dumps(full)) if full else None,
    }


def apply_changes(endpoint: Endpoint, fields: Mapping[str, Any]) -> EncryptedFields:
    """What it has after these of its FIELDS (each checked by itself) are given anew.

    Raises Refused for headers that contradict the authentication, NotNow if what is to stay cannot be read.
    """
    try:
        before = decrypt_fields(endpoint)
    except CannotDecrypt:
        if set(fields) < set(FIELDS):
            raise StateConflict(next(iter(fields)), "Cannot be decrypted; give headers, auth and tls again.") from None
        before = EncryptedFields()
    given = {name: dict(fields[name] or {}) for name in FIELDS if name in fields}
    for name in ("auth", "tls"):
        if given.get(name) and given[name] == getattr(endpoint, name):
            del given[name]
    if "headers" in given:
        given["headers"] = _unmasked(given["headers"], before.headers)
    if given.get("auth", {}).get("type") == "none":
        given["auth"] = {}
    after = replace(before, **given)
    try:
        request_headers(after)
    except ForbiddenHeader:
        raise Invalid(
            "headers" if "auth" not in given else "auth", "A header is set twice: by headers and by auth."
        ) from None
    return after


def request_headers(given: EncryptedFields) -> dict[str, str]:
    """Its own headers and those of its authentication. Raises ForbiddenHeader for one that may not be sent, which
    is asked again here because it is what will be sent."""
    names = {name.lower() for name in given.headers}
    for name in [*auth_header(given.auth), *(["authorization"] if given.auth.get("type") == "oauth2" else [])]:
        if name in names:
            raise ForbiddenHeader(name, "is given twice.")
    headers = {**given.headers, **auth_header(given.auth)}
    check(headers)
    return headers


def _unmasked(given: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    if unknown := [name for name, value in given.items() if value == MASK and name not in before]:
        raise Invalid("headers", f"{unknown[0]}: {MASK} stands for a value that is there already.")
    return {name: before[name] if value == MASK else value for name, value in given.items()}
