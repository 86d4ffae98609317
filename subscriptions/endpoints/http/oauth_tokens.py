"""Cache the OAuth access token of an endpoint in its row, and request a new one when it is stale or rejected.

OAuth 2.0 client credentials (RFC 6749, section 4.4). The token is stored encrypted, so that all processes that send to
the endpoint use the same one and a restart requests none. It counts as stale shortly before it expires. Two processes
that find it stale at the same time both request one: that costs the token server one request, while waiting for each
other would delay deliveries.
"""

import json
import time
from base64 import b64encode
from collections.abc import Hashable, Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus, urlencode
from uuid import UUID

from subscriptions.endpoints.http.credentials import ClientCredentials
from subscriptions.models import OAuthToken
from webhooks.kit.encryption import CannotDecrypt, decrypt, encrypt
from webhooks.outgoing.call_messages import CallResponse
from webhooks.outgoing.errors import CallFailed
from webhooks.outgoing.guarded_call import start_call
from webhooks.wire.addresses.parsed_url import ForbiddenAddress
from webhooks.wire.custom_headers import ForbiddenHeader, check_syntax

REQUEST_TIMEOUT = 5.0  # seconds, for the whole request to the token server
REFRESH_BEFORE = 30.0  # seconds before its expiry from which a token is stale
MAX_REFRESH_PART = 0.1  # of a token's lifetime: REFRESH_BEFORE is shortened to this
DEFAULT_LIFETIME = 300.0  # seconds, if the response has no expires_in, or null
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


def stored_tokens(wanted: Mapping[UUID, ClientCredentials]) -> dict[UUID, BearerToken]:
    """Return the fresh tokens that are stored for these endpoints and their current credentials, by endpoint."""
    now = time.time()
    found = {row.endpoint_id: _decrypted(row) for row in OAuthToken.objects.filter(endpoint__in=wanted)}
    return {
        endpoint_id: BearerToken(stored["token"], stored["fresh_until"])
        for endpoint_id, stored in found.items()
        if stored and stored["for"] == _digest(wanted[endpoint_id]) and now < stored["fresh_until"]
    }


def store_token(endpoint_id: UUID, credentials: ClientCredentials, token: BearerToken) -> None:
    """Store the token that was issued for these credentials, for other processes and later."""
    stored = {"for": _digest(credentials), "token": token.text, "fresh_until": token.fresh_until}
    OAuthToken.objects.update_or_create(endpoint_id=endpoint_id, defaults={"ciphertext": encrypt(json.dumps(stored))})


def start_token_request(credentials: ClientCredentials, *, share: Hashable) -> "Future[BearerToken]":
    """Request a token with client credentials on behalf of a tenant (``share``): see ``start_bearer_request``."""
    headers, body = _request(credentials)
    return start_bearer_request(credentials.token_url, headers, body, share=share)


def start_bearer_request(
    url: str, headers: Mapping[str, str], body: bytes, *, share: Hashable
) -> "Future[BearerToken]":
    """Request a token on behalf of a tenant (``share``) by a POST request with any grant, within REQUEST_TIMEOUT.

    The future raises TokenRequestFailed, and TooManyCalls and TooManyLookups beyond the tenant's limits.
    """
    result: Future[BearerToken] = Future()
    result.set_running_or_notify_cancel()
    call = start_call("POST", url, share=share, headers=headers, body=body, timeout=REQUEST_TIMEOUT)
    call.add_done_callback(lambda done: _settle(result, done))
    return result


def _digest(credentials: ClientCredentials) -> str:
    return sha256(json.dumps([*asdict(credentials).values()]).encode()).hexdigest()


def _decrypted(row: OAuthToken) -> dict[str, Any] | None:
    try:
        stored: dict[str, Any] = json.loads(decrypt(row.ciphertext))
    except CannotDecrypt:
        return None
    return stored


def _request(credentials: ClientCredentials) -> tuple[dict[str, str], bytes]:
    """Return the headers and the body of a token request."""
    form = {"grant_type": "client_credentials", "scope": credentials.scope, "audience": credentials.audience}
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    if credentials.client_auth == "body":
        form |= {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
    else:  # RFC 6749, section 2.3.1: both are form-encoded before they are joined
        pair = f"{quote_plus(credentials.client_id)}:{quote_plus(credentials.client_secret)}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    return headers, urlencode({name: text for name, text in form.items() if text}).encode()


def _settle(result: "Future[BearerToken]", call: "Future[CallResponse]") -> None:
    try:
        result.set_result(_token(call))
    except Exception as error:
        result.set_exception(error)


def _token(call: "Future[CallResponse]") -> BearerToken:
    try:
        response = call.result()
    except ForbiddenHeader:
        raise TokenRequestFailed("client_id and client_secret are too long for a header.") from None
    except (CallFailed, ForbiddenAddress):
        raise TokenRequestFailed("The token server could not be reached.") from None
    if response.status != 200:
        raise TokenRequestFailed(f"The token server responded {response.status}.")
    return _read(response.body, time.time())


def _read(body: bytes, now: float) -> BearerToken:
    """Read a successful token response: RFC 6749, section 5.1."""
    try:
        document: Any = json.loads(body)
        text, kind = document["access_token"], document.get("token_type") or "bearer"
        check_syntax("authorization", f"Bearer {text}")
        given = document.get("expires_in")
        lifetime = min(DEFAULT_LIFETIME if given is None else float(given), MAX_LIFETIME)
        usable = isinstance(text, str) and bool(text) and " " not in text and str(kind).lower() == "bearer"
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, ForbiddenHeader):
        usable = False
    if not usable or not lifetime > 0:
        raise TokenRequestFailed("The token server's response has no usable bearer token.")
    return BearerToken(text, now + lifetime - min(REFRESH_BEFORE, lifetime * MAX_REFRESH_PART))
