"""Reject a source configuration that could never verify a message, when it is saved and not at the first message.

A missing secret, unknown options, an unknown scheme: each is reported with its field here, and fails closed in
``receiving`` too, because a row can be changed in other ways.
"""

import time
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from webhooks import schemes
from webhooks.outgoing.url_check import check_saved_url
from webhooks.senders.handshake import InvalidHandshake, Rule, read_rules
from webhooks.wire.addresses.parsed_url import ForbiddenAddress
from webhooks.wire.errors import BadOptions, BadSecret, SignatureError, UnknownScheme
from webhooks.wire.signing.hmac_signatures import keys_from_text
from webhooks.wire.signing.keys import new_secret

GENERATED = "standard"  # the scheme whose secrets Waypost generates; for others the sender issues them


class InvalidConfiguration(ValueError):
    """The configuration cannot work; ``field`` names the wrong field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def scheme_names() -> list[str]:
    """Return the names of all signature schemes."""
    return list(schemes.SCHEMES)


def generated_secret(scheme: str) -> str | None:
    """Return a new secret if Waypost generates the secrets of this scheme, else None."""
    return new_secret() if scheme == GENERATED else None


def trimmed_secret(text: str, field: str = "secret") -> str:
    """Return a secret without what copying adds around it: white space, and characters that cannot be seen.

    Raises InvalidConfiguration if there are such characters inside, where they are not found by looking.
    """
    start, end = 0, len(text)
    while start < end and _is_invisible(text[start]):
        start += 1
    while end > start and _is_invisible(text[end - 1]):
        end -= 1
    trimmed = text[start:end]
    hidden = next((character for character in trimmed if unicodedata.category(character) == "Cf"), "")
    if hidden:
        raise InvalidConfiguration(field, f"Must not contain the invisible character U+{ord(hidden):04X}.")
    return trimmed


def _is_invisible(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp")


def check_handshake(rules: object) -> tuple[Rule, ...]:
    """Return the rules of a handshake. Raises InvalidConfiguration."""
    try:
        return read_rules(list(rules) if isinstance(rules, Sequence) else rules)
    except InvalidHandshake as error:
        raise InvalidConfiguration("handshake", f"The handshake {error}.") from error


def check_configuration(
    scheme: str,
    secrets: Sequence[str],
    options: Mapping[str, str],
    *,
    tenant_id: UUID | None,
    handshake: Sequence[Mapping[str, Any]] = (),
) -> dict[str, str]:
    """Return the options in the form in which they are stored: the address of published keys as it is called.

    Raises InvalidConfiguration if no message could ever be verified with this scheme, these secrets and options.

    The scheme checks an empty message: an error about the message itself means that the configuration works. The
    address of published keys is checked too, and again at every call (``outgoing``): its name is resolved on behalf of
    the tenant, and the request suspended meanwhile. Call it outside a transaction. A source whose sender gives the
    secret in its ``handshake`` needs none before. Raises TooManyLookups.
    """
    awaits_secret = not secrets and any(rule.keep for rule in check_handshake(handshake))
    try:
        loaded = schemes.get(scheme, options)
        if loaded.needs_secret and not awaits_secret:
            keys_from_text(secrets)
        stored = _with_checked_url(options, loaded.key_url, tenant_id)
        if awaits_secret:
            return stored
        loaded.begin_verification(list(secrets), {}, url="https://example.com/", now=time.time())
    except UnknownScheme as error:
        raise InvalidConfiguration("scheme", str(error)) from error
    except (BadOptions, ForbiddenAddress) as error:
        raise InvalidConfiguration("options", str(error)) from error
    except BadSecret as error:
        raise InvalidConfiguration("secret", str(error)) from error
    except SignatureError:
        pass
    return stored


def _with_checked_url(options: Mapping[str, str], key_url: str, tenant_id: UUID | None) -> dict[str, str]:
    if not key_url:
        return dict(options)
    called = check_saved_url(key_url, tenant_id)
    return {name: called if value == key_url else value for name, value in options.items()}
