"""Represent an inbound request whose body is still unread, and read that body within limits.

The body comes from the WSGI stream in chunks: never more than the limit, and not through Django's buffers. An
announced length must be exact. A chunked body ends where the server says, and servers may report a broken connection
as an end (granian does), so ``receive`` accepts a chunked body only if the signature covers it.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from django.core.handlers.wsgi import WSGIRequest

CHUNK_BYTES = 64 * 1024
GRACE_SECONDS = 20.0  # before the minimum rate applies
MIN_BYTES_PER_SECOND = 64 * 1024  # 5 GiB take less than a day, the age at which the sweep removes orphaned objects

MAX_LENGTH_DIGITS = 18
_ENVIRON_PREFIXES = ("HTTP_", "CONTENT_TYPE", "CONTENT_LENGTH")


class TooLarge(Exception):
    """The body exceeds the source's max_bytes."""


class CutShort(Exception):
    """The body ended before its announced length."""


class TooSlow(Exception):
    """The body arrived more slowly than the minimum rate."""


class LengthMissing(Exception):
    """The request has no Content-Length, and the signature does not cover the body."""


class InvalidLength(Exception):
    """The Content-Length is not a number."""


@dataclass(frozen=True, slots=True)
class InboundRequest:
    """A request with its body unread; header names are in lower case, ``length`` is None for a chunked body."""

    request: WSGIRequest
    headers: Mapping[str, str]
    length: int | None

    @property
    def method(self) -> str:
        """Return the HTTP method."""
        return str(self.request.method)

    @property
    def remote_address(self) -> str:
        """Return the IP address of the connection, cut to its column."""
        return str(self.request.META.get("REMOTE_ADDR", ""))[:64]

    def url(self, public_url: str) -> str:
        """Return the called URL as the sender knows it: ``public_url`` with the query, or the request's own URL."""
        query = self.request.META.get("QUERY_STRING", "")
        if not public_url:
            return self.request.build_absolute_uri()
        return f"{public_url}?{query}" if query and "?" not in public_url else public_url

    def chunks(self, limit: int) -> Iterator[bytes]:
        """Return an iterator over the raw body, at most ``limit`` bytes, to be used once.

        Raises TooLarge at once if the announced length is above the limit; while reading TooLarge, CutShort, TooSlow
        and OSError.
        """
        if self.length is not None and self.length > limit:
            raise TooLarge
        return self._read(limit)

    def _read(self, limit: int) -> Iterator[bytes]:
        stream = self.request.environ["wsgi.input"]
        started, size = time.monotonic(), 0
        while self.length is None or size < self.length:
            try:
                chunk = stream.read(CHUNK_BYTES if self.length is None else min(CHUNK_BYTES, self.length - size))
            except TimeoutError:
                raise TooSlow from None
            if not chunk:
                break
            size += len(chunk)
            if size > limit:
                raise TooLarge
            if time.monotonic() - started > GRACE_SECONDS + size / MIN_BYTES_PER_SECOND:
                raise TooSlow
            yield chunk
        if self.length is not None and size < self.length:
            raise CutShort


def read_request(request: WSGIRequest) -> InboundRequest:
    """Read everything but the body.

    Raises InvalidLength if the Content-Length is not a number, LengthMissing for a chunked body if the server cannot
    tell where it ends.
    """
    environ = request.environ
    headers = {_header_name(key): value for key, value in environ.items() if key.startswith(_ENVIRON_PREFIXES)}
    length = environ.get("CONTENT_LENGTH") or ""
    if "transfer-encoding" in headers:
        if not environ.get("wsgi.input_terminated"):
            raise LengthMissing
        return InboundRequest(request, headers, None)
    if not length:
        return InboundRequest(request, headers, 0)
    if not (length.isascii() and length.isdigit() and len(length) <= MAX_LENGTH_DIGITS):
        raise InvalidLength
    return InboundRequest(request, headers, int(length))


@lru_cache(maxsize=1024)
def _header_name(key: str) -> str:
    """Return the lower-case header name of a WSGI variable (PEP 3333)."""
    return key.removeprefix("HTTP_").replace("_", "-").lower()
