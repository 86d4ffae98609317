"""Keep the access tokens of endpoints in the memory of a process, and request them when they are stale or rejected.

A token is requested in the event loop of ``webhooks.outgoing``, so a token server that hangs occupies no thread.
"""

import time
from collections.abc import Hashable
from concurrent.futures import Future
from typing import Protocol
from uuid import UUID

from subscriptions.endpoints.http.credentials import ClientCredentials
from subscriptions.endpoints.http.oauth_tokens import BearerToken, start_token_request
from webhooks.kit.process.per_process import PerProcess

MAX_KEPT = 10_000  # endpoints; beyond it all are forgotten and requested again


class TokenSource(Protocol):
    """Request access tokens, such as with a signed assertion; two that are equal get the same tokens."""

    def request(self, share: Hashable) -> "Future[BearerToken]":
        """Start a request on behalf of a tenant (``share``). The future raises TokenRequestFailed, LimitReached."""


Credentials = ClientCredentials | TokenSource


class Tokens:
    """Hold the tokens of endpoints, each for the credentials it was issued for. For one thread."""

    def __init__(self) -> None:
        self._kept: dict[UUID, tuple[Credentials, BearerToken]] = {}

    def find(self, endpoint_id: UUID, credentials: Credentials) -> str | None:
        """Return a fresh token for these credentials, if there is one."""
        issued_for, token = self._kept.get(endpoint_id, (None, None))
        is_usable = issued_for == credentials and token is not None and token.is_fresh(time.time())
        return token.text if is_usable and token is not None else None

    def keep(self, endpoint_id: UUID, credentials: Credentials, token: BearerToken) -> None:
        """Keep a new token."""
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[endpoint_id] = (credentials, token)

    def forget(self, endpoint_id: UUID, text: str) -> None:
        """Forget a token that the destination has rejected."""
        _, token = self._kept.get(endpoint_id, (None, None))
        if token is not None and token.text == text:
            del self._kept[endpoint_id]


def request_token(credentials: Credentials, share: Hashable) -> "Future[BearerToken]":
    """Start a token request on behalf of a tenant. The future raises TokenRequestFailed, LimitReached."""
    if isinstance(credentials, ClientCredentials):
        return start_token_request(credentials, share=share)
    return credentials.request(share)


tokens = PerProcess(Tokens)
