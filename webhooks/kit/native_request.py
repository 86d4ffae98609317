"""Define the requests and responses of native views: coroutines that respond in the event loop of the web server.

A native view holds no thread while a client sends or a commit is awaited. It must not block: no queries, no lookups, no
waiting on locks; what does is awaited as a future (``webhooks.kit.group_commit``, ``webhooks.outgoing``). The server
makes the request (``config.web``); in another project a plain Django view wraps the same functions.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

GRACE_SECONDS = 20.0  # before the minimum rate of a body applies
MIN_BYTES_PER_SECOND = 64 * 1024  # of a body: 5 GiB take less than a day, the age at which orphaned objects are removed


class BodyCutShort(Exception):
    """The body ended before its announced length, or the client closed the connection."""


class BodyTooSlow(Exception):
    """The body arrived more slowly than ``MIN_BYTES_PER_SECOND``, or paused for too long."""


def seconds_allowed(size: int) -> float:
    """Return within how many seconds ``size`` bytes of a body must have arrived."""
    return GRACE_SECONDS + size / MIN_BYTES_PER_SECOND


async def _never() -> None:
    await asyncio.get_running_loop().create_future()


class RequestBody(Protocol):
    """A request body that is still arriving."""

    @property
    def length(self) -> int | None:
        """Return the announced length in bytes; None for a chunked body."""

    @property
    def ends_reliably(self) -> bool:
        """Return whether a chunked body that is cut short raises BodyCutShort, and does not just end."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Return an iterator over the raw body, to be used once. Raises BodyCutShort, BodyTooSlow while iterating."""

    async def read(self, limit: int) -> bytes:
        """Return the body, or of a longer one the first ``limit`` + 1 bytes, instead of ``chunks``.

        Raises BodyCutShort, BodyTooSlow, and ShareExceeded if the client sends too many bodies at once.
        """


@dataclass(slots=True)  # not frozen: that would take three times as long to make
class NativeRequest:
    """A request whose head was read. Of its path, ``query_string`` and ``host`` nothing was checked or decoded."""

    method: str
    scheme: str
    """``http`` or ``https``, as the client used it: behind a trusted proxy what the proxy says."""
    host: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    """By names in lower case, without underscores. Values of one name are joined by commas (RFC 9110, section 5.3)."""
    remote_address: str
    """IP address of the client: of the connection, or behind a trusted proxy what the proxy says."""
    is_proxied: bool
    """Whether a proxy in WAYPOST_TRUSTED_PROXIES passed the request on; else its headers say nothing of the client."""
    share: Hashable
    """The client, for shares (``webhooks.kit.fair``): its IPv4 address, or its IPv6 network."""
    body: RequestBody
    gone: Callable[[], Awaitable[None]] = _never
    """Returns when the client has closed the connection, or the server stops. To be awaited once its body was read."""


@dataclass(frozen=True, slots=True)
class NativeResponse:
    """A response; its Content-Length is set by the server."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NativeStream:
    """A response whose length is not known when it begins; it ends when ``pieces`` does."""

    status: int
    pieces: AsyncIterator[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)


def called_url(request: NativeRequest, public_url: str) -> str:
    """Return the called URL as the sender knows it: ``public_url`` with the query, or the request's own URL."""
    query = request.query_string
    if not public_url:
        own_url = f"{request.scheme}://{request.host}{request.path}"
        return f"{own_url}?{query}" if query else own_url
    return f"{public_url}?{query}" if query and "?" not in public_url else public_url


NativeView = Callable[[NativeRequest], Awaitable[NativeResponse | NativeStream]]
