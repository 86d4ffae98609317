"""Describe the request and the response of an outgoing call."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from webhooks.wire.addresses.networks import AllowedNetworks
from webhooks.wire.addresses.parsed_url import ParsedUrl


@dataclass(frozen=True, slots=True)
class CallResponse:
    """The response to a call. Redirects are not followed."""

    url: str
    """The URL that was called, normalized."""
    status: int
    headers: Mapping[str, str]
    """Names in any case; several of one name are joined by commas."""
    body: bytes
    """As sent, never decompressed, `max_response` bytes at most."""
    truncated: bool
    """The body was longer; the rest was not read."""


@dataclass(frozen=True, slots=True)
class GuardedRequest:
    """A request with all that its exchange needs."""

    method: str
    target: ParsedUrl
    headers: Mapping[str, str]
    body: bytes | None
    networks: AllowedNetworks
    max_response: int
    tls: ssl.SSLContext
