"""A bearer token for an endpoint that asks for one: from its row if that is still good, else from its token server.

OAuth 2.0 client credentials (RFC 6749, section 4.4). The token is stored encrypted in a row, so that every process that
sends to the endpoint uses the same one, and a restart asks nobody. A token counts as over a little before it
is. Whoever asks for one that is not the ``rejected`` one gets another. Two processes that find it over in the
same moment both ask: that costs a token server one request more, and waiting for each other would cost deliveries.
"""

import json
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus, urlencode
from uuid import UUID

from django.db import connection

from subscriptions.endpoints.credentials import ClientCredentials
from subscriptions.models import OAuthToken
from webhooks.kit.encryption import CannotDecrypt, decrypt, encrypt
from webhooks.outgoing import guarded_call
from webhooks.wire.addresses.guard import ForbiddenAddress
from webhooks.wire.custom_headers import ForbiddenHeader, check_syntax

__all__ = ["BearerToken", "TokenRequestFailed", "get_token", "get_token_in_thread"]

ASKING = 5.0  # seconds for the token server, everything included
EARLY, EARLY_PART = 30.0, 0.1  # seconds before its end, at most this part of its life, a token is asked for anew
LIFE = 300.0  # seconds, when the server does not say
LONGEST_LIFE = 86_400.0


class TokenRequestFailed(Exception):
    """The token server gave none. The text is for the endpoint's owner and holds nothing the server said."""


@dataclass(frozen=True, slots=True)
class BearerToken:
    """A token and the unix second from which another one is to be asked for."""

    text: str = field(repr=False)
    fresh_until: float

    def is_fresh(self, now: float) -> bool:
        return now < self.fresh_until


def get_token(
    endpoint_id: UUID,
    credentials: ClientCredentials,
    *,
    rejected: str | None = None,
    before_asking: Callable[[], None] = lambda: None,
) -> BearerToken:
    """A fresh token for these credentials. Up to ASKING seconds, and not inside a transaction. Raises NoToken.

    ``before_asking`` is called if its server has to be asked, which may take long."""
    digest = sha256(json.dumps([*_members(credentials).values()]).encode()).hexdigest()
    kept = _kept(endpoint_id, digest)
    if kept is not None and kept.text != rejected and kept.is_fresh(time.time()):
        return kept
    before_asking()
    bearer = _asked(credentials)
    _keep(endpoint_id, digest, bearer)
    return bearer


def get_token_in_thread(
    endpoint_id: UUID, credentials: ClientCredentials, *, rejected: str | None = None
) -> BearerToken:
    """The same for a thread that comes and goes: it leaves no connection to the database behind, and holds none while
    a token server lets it wait."""
    try:
        return get_token(endpoint_id, credentials, rejected=rejected, before_asking=connection.close)
    finally:
        connection.close()


def _members(credentials: ClientCredentials) -> dict[str, str]:
    return {name: getattr(credentials, name) for name in ClientCredentials.__slots__}


def _kept(endpoint_id: UUID, digest: str) -> BearerToken | None:
    row = OAuthToken.objects.filter(endpoint=endpoint_id).first()
    try:
        known = json.loads(decrypt(row.ciphertext)) if row else None
    except CannotDecrypt:
        return None
    if known is None or known["for"] != digest:
        return None
    return BearerToken(known["token"], known["fresh_until"])


def _keep(endpoint_id: UUID, digest: str, bearer: BearerToken) -> None:
    known = {"for": digest, "token": bearer.text, "fresh_until": bearer.fresh_until}
    OAuthToken.objects.update_or_create(endpoint_id=endpoint_id, defaults={"ciphertext": encrypt(json.dumps(known))})


def _asked(credentials: ClientCredentials) -> BearerToken:
    form = {"grant_type": "client_credentials", "scope": credentials.scope, "audience": credentials.audience}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if credentials.client_auth == "body":
        form |= {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
    else:  # RFC 6749, 2.3.1: both are form-encoded before they are joined
        pair = f"{quote_plus(credentials.client_id)}:{quote_plus(credentials.client_secret)}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    body = urlencode({name: text for name, text in form.items() if text}).encode()
    try:
        answer = guarded_call.call("POST", credentials.token_url, headers=headers, body=body, timeout=ASKING)
    except ForbiddenHeader:
        raise TokenRequestFailed("The client's id and secret are too long for a header.") from None
    except (guarded_call.CallFailed, ForbiddenAddress):
        raise TokenRequestFailed("The token server could not be reached.") from None
    if answer.status != 200:
        raise TokenRequestFailed(f"The token server answered {answer.status}.")
    return _read(answer.body, time.time())


def _read(body: bytes, now: float) -> BearerToken:
    """RFC 6749, section 5.1."""
    try:
        said: Any = json.loads(body)
        text, kind, life = said["access_token"], said.get("token_type", "bearer"), said.get("expires_in", LIFE)
        check_syntax("authorization", f"Bearer {text}")
        seconds = min(float(life), LONGEST_LIFE)
        usable = isinstance(text, str) and bool(text) and " " not in text and str(kind).lower() == "bearer"
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, ForbiddenHeader):
        usable = False
    if not usable or not seconds > 0:
        raise TokenRequestFailed("The token server's answer holds no bearer token.")
    return BearerToken(text, now + seconds - min(EARLY, seconds * EARLY_PART))
