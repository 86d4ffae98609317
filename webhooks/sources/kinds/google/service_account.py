"""Get access tokens for a Google service account, by a JWT signed with its key (RFC 7523, section 2.1).

https://developers.google.com/identity/protocols/oauth2/service-account#httprest. A token is used until a minute before
it expires, by all sources of its owner with the same key in this process.
"""

import hashlib
import time
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import UUID

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from webhooks.kit.caches.lru_cache import LruCache
from webhooks.sources.kinds.http_calls import response_of, start_request
from webhooks.sources.kinds.kind import Connection, SourceUnavailable

SETTING = "credentials.service_account"
LIFETIME = 3600  # seconds that a JWT is valid
EARLIER = 60.0  # seconds before its end that a token is not used any more
MAX_CACHED = 1000  # tokens
CALL_SECONDS = 5.0
MAX_RESPONSE = 64 * 1024  # bytes

_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_tokens = LruCache[tuple[str, float]](MAX_CACHED)


class ServiceAccount(NamedTuple):
    """The members of a key file that are used."""

    email: str
    key: RSAKey
    key_id: str
    token_url: str
    project: str


def read_key(text: str) -> ServiceAccount:
    """Return a service account by its key file, JSON. Raises ValueError with a sentence."""
    try:
        document: Any = orjson.loads(text)
    except ValueError:
        raise ValueError("Must be the JSON of a service account's key.") from None
    names = ("client_email", "private_key", "token_uri")
    if not isinstance(document, dict) or not all(isinstance(document.get(name), str) for name in names):
        raise ValueError(f"Must be the JSON of a service account's key, with {', '.join(names)}.")
    try:
        key = RSAKey.import_key(document["private_key"])
        is_private = key.is_private
    except (ValueError, JoseError):
        is_private = False
    if not is_private:
        raise ValueError("Its private_key must be an RSA key in PEM.")
    project, key_id = (str(document.get(name) or "") for name in ("project_id", "private_key_id"))
    return ServiceAccount(document["client_email"], key, key_id, document["token_uri"], project)


def access_token(connection: Connection, text: str, scope: str) -> str:
    """Return a token for the service account with a key file. Raises SourceUnavailable."""
    name = UUID(bytes=hashlib.sha256(orjson.dumps([str(connection.share), text, scope])).digest()[:16])
    cached = _tokens.get(name)
    if cached is not None and time.time() < cached[1]:
        return cached[0]
    try:
        account = read_key(text)
    except ValueError as error:
        raise SourceUnavailable(str(error), SETTING) from None
    token, seconds = _requested(connection, account, scope)
    _tokens.put(name, (token, time.time() + seconds - EARLIER))
    return token


def clear_tokens() -> None:
    """Forget all tokens."""
    _tokens.clear()


def _requested(connection: Connection, account: ServiceAccount, scope: str) -> tuple[str, float]:
    """Request a token; return it with its lifetime in seconds."""
    now = int(time.time())
    claims = {"iss": account.email, "scope": scope, "aud": account.token_url, "iat": now, "exp": now + LIFETIME}
    assertion = jwt.encode({"alg": "RS256", "kid": account.key_id}, claims, account.key)
    body = urlencode({"grant_type": _GRANT, "assertion": assertion}).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    future = start_request(
        connection, account.token_url, headers, body, timeout=CALL_SECONDS, max_response=MAX_RESPONSE
    )
    response = response_of(future, SETTING)
    try:
        document: Any = orjson.loads(response.body)
    except ValueError:
        document = None
    found = document if isinstance(document, dict) else {}
    token, seconds = found.get("access_token"), found.get("expires_in", LIFETIME)
    if response.status == 200 and isinstance(token, str) and token.isascii() and isinstance(seconds, (int, float)):
        return token, float(seconds)
    reason = str(found.get("error") or f"status {response.status}")[:100]
    raise SourceUnavailable(f"The token server does not accept the service account's key: {reason}.", SETTING)
