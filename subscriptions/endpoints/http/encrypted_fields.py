"""Encrypt the confidential fields of an endpoint: custom headers, authentication, TLS certificates.

The columns ``headers``, ``auth`` and ``tls`` store what readers of the database, logs and API may see: header names,
kind of authentication, subjects of certificates. The column ``ciphertext`` stores all three in full, encrypted.
A value that a client sends back as it was shown keeps the stored one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from subscriptions.endpoints.http.certificates import public_tls
from subscriptions.endpoints.http.credentials import auth_header, own_headers, public_auth
from subscriptions.errors import Invalid, StateConflict
from subscriptions.models import HttpSettings
from webhooks.kit.encryption import CannotDecrypt, decrypt, encrypt
from webhooks.wire.custom_headers import ForbiddenHeader, check, folded_name

MASK = "***"
FIELDS = ("headers", "auth", "tls")


@dataclass(frozen=True, slots=True)
class EncryptedFields:
    """Hold the custom headers, authentication and TLS files of an endpoint, decrypted."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: Mapping[str, str] = field(default_factory=dict, repr=False)


def decrypt_fields(row: HttpSettings) -> EncryptedFields:
    """Decrypt the fields of an endpoint. Raises CannotDecrypt."""
    return EncryptedFields(**json.loads(decrypt(row.ciphertext))) if row.ciphertext else EncryptedFields()


def is_stored(row: HttpSettings, fields: EncryptedFields) -> bool:
    """Return whether the endpoint has exactly these fields already."""
    try:
        return decrypt_fields(row) == fields
    except CannotDecrypt:
        return False


def to_columns(fields: EncryptedFields) -> dict[str, Any]:
    """Return the columns of the settings: what may be shown, and the ciphertext."""
    full = {name: getattr(fields, name) for name in FIELDS if getattr(fields, name)}
    return {
        "headers": dict.fromkeys(fields.headers, MASK),
        "auth": public_auth(fields.auth),
        "tls": public_tls(fields.tls),
        "ciphertext": encrypt(json.dumps(full)) if full else None,
    }


def apply_changes(row: HttpSettings, changes: Mapping[str, Any]) -> EncryptedFields:
    """Return the fields of the endpoint after these changes, each of which was checked by itself.

    Raises Invalid for headers that contradict the authentication, StateConflict if a field to keep cannot be decrypted.
    """
    try:
        before = decrypt_fields(row)
    except CannotDecrypt:
        if set(changes) < set(FIELDS):
            raise StateConflict(next(iter(changes)), "Cannot be decrypted; give headers, auth and tls again.") from None
        before = EncryptedFields()
    new = {name: dict(changes[name] or {}) for name in FIELDS if name in changes}
    for name in ("auth", "tls"):
        if new.get(name) and new[name] == getattr(row, name):  # sent back as shown
            del new[name]
    if "headers" in new:
        new["headers"] = _unmasked(new["headers"], before.headers)
    if new.get("auth", {}).get("type") == "none":
        new["auth"] = {}
    after = replace(before, **new)
    try:
        request_headers(after)
    except ForbiddenHeader:
        named = "auth" if "auth" in new else "headers"
        raise Invalid(named, "headers and auth must not set the same header.") from None
    return after


def request_headers(fields: EncryptedFields) -> dict[str, str]:
    """Return the custom headers and those of the authentication. Raises ForbiddenHeader."""
    if twice := {folded_name(it) for it in own_headers(fields.auth)} & {folded_name(it) for it in fields.headers}:
        raise ForbiddenHeader(min(twice), "is given twice.")
    headers = {**fields.headers, **auth_header(fields.auth)}
    check(headers)
    return headers


def _unmasked(headers: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    if unknown := [name for name, value in headers.items() if value == MASK and name not in before]:
        raise Invalid("headers", f"{unknown[0]}: give a value; {MASK} keeps a stored value, and there is none.")
    return {name: before[name] if value == MASK else value for name, value in headers.items()}
