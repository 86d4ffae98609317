"""Read the head of a Django request, under WSGI or ASGI, and its body in chunks without Django's buffers.

An announced length must be exact. A chunked body ends where the server says; whether that is its end or that of a
broken connection, only an ASGI server tells. Under ASGI Django has received the whole body before it calls a view. If
middleware has read ``request.body`` before, the body is read from there.
"""

import time
from collections.abc import AsyncIterator, Coroutine
from io import BytesIO
from typing import IO, Any, TypeVar, cast

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

from webhooks.kit.caches.short_text_cache import short_text_cache
from webhooks.kit.clients import client_of, network_of
from webhooks.kit.native_request import BodyCutShort, BodyTooSlow, NativeRequest, seconds_allowed
from webhooks.wire.addresses.networks import compile_networks
from webhooks.wire.header_values import LowerCaseHeaders

CHUNK_BYTES = 64 * 1024
MAX_LENGTH_DIGITS = 18
OWN_SERVER = "waypost.is_proxied"  # variable of our server, which no header can set
_PREFIXES = ("HTTP_", "CONTENT_TYPE", "CONTENT_LENGTH")

T = TypeVar("T")


class LengthUnknown(Exception):
    """The body is chunked, and the server cannot tell where it ends."""


class BodyConsumed(Exception):
    """Middleware has read the form or the stream of the request, and its bytes are lost; exclude /in/ from it."""


class InvalidLength(Exception):
    """The Content-Length is not a number."""


def read_head(request: HttpRequest) -> NativeRequest:
    """Read everything but the body. Raises InvalidLength, LengthUnknown, BodyConsumed."""
    headers = LowerCaseHeaders(
        {_header_name(key): value for key, value in request.META.items() if key.startswith(_PREFIXES)}
    )
    address = _client_address(request, headers)
    path, _, query_string = request.get_full_path().partition("?")
    return NativeRequest(
        method=str(request.method),
        scheme=str(request.scheme),
        host=_host(request),
        path=path,
        query_string=query_string,
        headers=headers,
        remote_address=address,
        is_proxied=is_proxied(request),
        share=network_of(address),
        body=_Body(request, _length(request, headers)),
    )


def run_blocking(coroutine: "Coroutine[Any, Any, T]") -> T:
    """Run a coroutine whose awaits all block the thread, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    raise RuntimeError("The coroutine awaits an event loop.")


class _Body:
    """The body of a request, read in the thread of the request."""

    def __init__(self, request: HttpRequest, length: int | None) -> None:
        self.length = length
        self.ends_reliably = isinstance(request, ASGIRequest)
        self._stream = _stream_of(request, length)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Return an iterator over the raw body, to be used once. Raises BodyCutShort, BodyTooSlow, OSError."""
        started, size = time.monotonic(), 0
        while self.length is None or size < self.length:
            try:
                chunk = self._stream.read(CHUNK_BYTES if self.length is None else min(CHUNK_BYTES, self.length - size))
            except TimeoutError:
                raise BodyTooSlow from None
            if not chunk:
                break
            size += len(chunk)
            if time.monotonic() - started > seconds_allowed(size):
                raise BodyTooSlow
            yield chunk
        if self.length is not None and size < self.length:
            raise BodyCutShort

    async def read(self, limit: int) -> bytes:
        """Return the body, or of a longer one the first ``limit`` + 1 bytes, instead of ``chunks``."""
        body = bytearray()
        async for chunk in self.chunks():
            body += chunk
            if len(body) > limit:
                break
        return bytes(body[: limit + 1])


def _client_address(request: HttpRequest, headers: LowerCaseHeaders) -> str:
    """Return the address of the client: of the connection, or behind a trusted proxy what the proxy says."""
    peer = str(request.META.get("REMOTE_ADDR", ""))
    if OWN_SERVER in request.META or not is_proxied(request):
        return peer
    return client_of(peer, str(request.scheme), headers).address


def _stream_of(request: HttpRequest, length: int | None) -> IO[bytes] | HttpRequest:
    """Return what the body is read from: what middleware kept of it, or the stream of the server."""
    if isinstance(request, WSGIRequest) and length is None:
        return cast(IO[bytes], request.environ["wsgi.input"])  # Django reads nothing without a Content-Length
    if hasattr(request, "_body"):
        return BytesIO(request.body)
    if getattr(request, "_read_started", False):
        raise BodyConsumed(str(BodyConsumed.__doc__))
    return request.environ["wsgi.input"] if isinstance(request, WSGIRequest) else request


def _host(request: HttpRequest) -> str:
    """Return the host as the sender wrote it.

    ALLOWED_HOSTS protects links that are made from the host. Here it is only compared with what the sender signed.
    """
    try:
        return request.get_host()
    except DisallowedHost:
        return str(request.META.get("HTTP_HOST", ""))


def is_proxied(request: HttpRequest) -> bool:
    """Return whether a trusted proxy passed the request on, through a server that drops names with underscores.

    WSGI has one variable for ``X-Forwarded-Client-Cert`` and ``X_Forwarded_Client_Cert`` (PEP 3333), so where the
    server keeps both, a client forges the header past a proxy that overwrites the one with hyphens. Waypost's own
    server drops such names and says so in the environment of the request; Django does it under ASGI. Of any other
    server only the operator knows, who sets WAYPOST_DROPS_UNDERSCORES.
    """
    found = request.META.get(OWN_SERVER)
    if found is not None:
        return bool(found)
    drops_underscores = settings.WAYPOST_DROPS_UNDERSCORES or isinstance(request, ASGIRequest)
    address = str(request.META.get("REMOTE_ADDR", ""))
    return drops_underscores and compile_networks(tuple(settings.WAYPOST_TRUSTED_PROXIES)).contains(address)


def _length(request: HttpRequest, headers: dict[str, str]) -> int | None:
    if "transfer-encoding" in headers:
        if isinstance(request, WSGIRequest) and not request.environ.get("wsgi.input_terminated"):
            raise LengthUnknown
        return None
    length = headers.get("content-length") or "0"
    if not (length.isascii() and length.isdigit() and len(length) <= MAX_LENGTH_DIGITS):
        raise InvalidLength
    return int(length)


@short_text_cache(1024)
def _header_name(key: str) -> str:
    """Return the lower-case header name of a WSGI variable (PEP 3333)."""
    return key.removeprefix("HTTP_").replace("_", "-").lower()
