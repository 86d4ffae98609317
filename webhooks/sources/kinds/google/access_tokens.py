"""Get access tokens for the service account of a source, and keep them.

A token is used until a minute before it expires, by all sources of its owner with the same key in this process.
"""

import hashlib
import time
from typing import Any
from uuid import UUID

import orjson

from webhooks.kit.caches.bounded_cache import BoundedCache
from webhooks.outgoing.service_account import LIFETIME, ServiceAccount, read_key, token_request
from webhooks.sources.kinds.http_calls import response_of, start_request
from webhooks.sources.kinds.kind import Connection, SourceUnavailable

SETTING = "credentials.service_account"
EARLIER = 60.0  # seconds before its end that a token is not used any more
MAX_CACHED = 1000  # tokens
CALL_SECONDS = 5.0
MAX_RESPONSE = 64 * 1024  # bytes

_tokens = BoundedCache[tuple[str, float]](MAX_CACHED)


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
    headers, body = token_request(account, scope, time.time())
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
