"""Cache the OAuth access token of an endpoint in its row, and request a new one when it is stale or rejected.

OAuth 2.0 client credentials (RFC 6749, section 4.4). The token is stored encrypted, so that all processes that send to
the endpoint use the same one and a restart requests none. It counts as stale shortly before it expires. Two processes
that find it stale at the same time both request one: that costs the token server one request, while waiting for each
other would delay deliveries.
"""

import json
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus, urlencode
from uuid import UUID

from django.db import connection

from subscriptions.endpoints.http.credentials import ClientCredentials
from subscriptions.models import OAuthToken
from webhooks.kit.encryption import CannotDecrypt, decrypt, encrypt
from webhooks.outgoing import guarded_call
from webhooks.wire.addresses.parsed_url import ForbiddenAddress
from webhooks.wire.custom_headers import ForbiddenHeader, check_syntax

REQUEST_TIMEOUT = 5.0  # seconds, for the whole request to the token server
REFRESH_BEFORE = 30.0  # seconds before its expiry from which a token is stale,
MAX_REFRESH_PART = 0.1  # but at most this part of its lifetime
DEFAULT_LIFETIME = 300.0  # seconds, if the response has no expires_in
MAX_LIFETIME = 86_400.0  # seconds


class TokenRequestFailed(Exception):
    """Signal that there is no token. The message is for the endpoint's owner and repeats nothing of the response."""


@dataclass(frozen=True, slots=True)
class BearerToken:
    """Hold an access token, and the unix second from which it is stale."""

    text: str = field(repr=False)
    fresh_until: float

    def is_fresh(self, now: float) -> bool:
        """Return whether the token can still be used."""
        return now < self.fresh_until


def get_token(
    endpoint_id: UUID,
    credentials: ClientCredentials,
    *,
    rejected: str | None = None,
    before_request: Callable[[], None] = lambda: None,
) -> BearerToken:
    """Return a fresh token other than the ``rejected`` one. Raises TokenRequestFailed.

    Takes up to REQUEST_TIMEOUT seconds if it must be requested, so call it outside a transaction; ``before_request``
    is called before that.
    """
    digest = sha256(json.dumps([*asdict(credentials).values()]).encode()).hexdigest()
    cached = _cached(endpoint_id, digest)
    if cached is not None and cached.text != rejected and cached.is_fresh(time.time()):
        return cached
    before_request()
    token = _request(credentials)
    _store(endpoint_id, digest, token)
    return token


def get_token_in_thread(
    endpoint_id: UUID, credentials: ClientCredentials, *, rejected: str | None = None
) -> BearerToken:
    """Call ``get_token`` from a short-lived thread, without a database connection during the request or afterwards."""
    try:
        return get_token(endpoint_id, credentials, rejected=rejected, before_request=connection.close)
    finally:
        connection.close()


def _cached(endpoint_id: UUID, digest: str) -> BearerToken | None:
    """Return the stored token; None if there is none for these credentials, or it cannot be decrypted."""
    row = OAuthToken.objects.filter(endpoint=endpoint_id).first()
    try:
        stored = json.loads(decrypt(row.ciphertext)) if row else None
    except CannotDecrypt:
        return None
    if stored is None or stored["for"] != digest:
        return None
    return BearerToken(stored["token"], stored["fresh_until"])


def _store(endpoint_id: UUID, digest: str, token: BearerToken) -> None:
    stored = {"for": digest, "token": token.text, "fresh_until": token.fresh_until}
    OAuthToken.objects.update_or_create(endpoint_id=endpoint_id, defaults={"ciphertext": encrypt(json.dumps(stored))})


def _request(credentials: ClientCredentials) -> BearerToken:
    form = {"grant_type": "client_credentials", "scope": credentials.scope, "audience": credentials.audience}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if credentials.client_auth == "body":
        form |= {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
    else:  # RFC 6749, section 2.3.1: both are form-encoded before they are joined
        pair = f"{quote_plus(credentials.client_id)}:{quote_plus(credentials.client_secret)}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    body = urlencode({name: text for name, text in form.items() if text}).encode()
    try:
        response = guarded_call.call("POST", credentials.token_url, headers=headers, body=body, timeout=REQUEST_TIMEOUT)
    except ForbiddenHeader:
        raise TokenRequestFailed("client_id and client_secret are too long for a header.") from None
    except (guarded_call.CallFailed, ForbiddenAddress):
        raise TokenRequestFailed("The token server could not be reached.") from None
    if response.status != 200:
        raise TokenRequestFailed(f"The token server responded {response.status}.")
    return _read(response.body, time.time())


def _read(body: bytes, now: float) -> BearerToken:
    """Read a successful token response: RFC 6749, section 5.1."""
    try:
        document: Any = json.loads(body)
        text, kind = document["access_token"], document.get("token_type", "bearer")
        check_syntax("authorization", f"Bearer {text}")
        lifetime = min(float(document.get("expires_in", DEFAULT_LIFETIME)), MAX_LIFETIME)
        usable = isinstance(text, str) and bool(text) and " " not in text and str(kind).lower() == "bearer"
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, ForbiddenHeader):
        usable = False
    if not usable or not lifetime > 0:
        raise TokenRequestFailed("The token server's response has no usable bearer token.")
    return BearerToken(text, now + lifetime - min(REFRESH_BEFORE, lifetime * MAX_REFRESH_PART))
