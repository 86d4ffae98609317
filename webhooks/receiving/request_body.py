"""What stands at the door: one request, its body still on the wire.

The body is read from the WSGI stream in chunks, never past the cap and never into Django's own buffers. A length
that is announced must be kept to the byte; a body sent in chunks ends where the server says it ends, and a server
may not tell an end from a connection that broke (granian does not), so such a body is only believed where the
signature covers it (``receive`` sees to that).
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from django.core.handlers.wsgi import WSGIRequest

CHUNK = 64 * 1024  # bytes
GRACE = 20.0  # seconds before the pace of a body counts
SLOWEST = 64 * 1024  # bytes per second: 5 GiB within a day, the age at which the orphan sweep may touch it

_IN_ENVIRON = ("HTTP_", "CONTENT_TYPE", "CONTENT_LENGTH")


class TooLarge(Exception):
    """The body is larger than the source takes."""


class CutShort(Exception):
    """The body ended before its announced length."""


class TooSlow(Exception):
    """The body came more slowly than we wait for."""


class NoLength(Exception):
    """The body's length was not announced, and nothing else shows where it ends."""


class BadLength(Exception):
    """The announced length is not a number."""


@dataclass(frozen=True, slots=True)
class InboundRequest:
    """A request with its body unread. Header names are in lower case; ``length`` is what it announced, None: sent
    in chunks."""

    request: WSGIRequest
    headers: Mapping[str, str]
    length: int | None

    @property
    def method(self) -> str:
        return str(self.request.method)

    @property
    def address(self) -> str:
        return str(self.request.META.get("REMOTE_ADDR", ""))[:64]

    def url(self, public_url: str) -> str:
        """The address that was called, as the sender knows it."""
        query = self.request.META.get("QUERY_STRING", "")
        if not public_url:
            return self.request.build_absolute_uri()
        return f"{public_url}?{query}" if query and "?" not in public_url else public_url

    def chunks(self, limit: int) -> Iterator[bytes]:
        """The body, raw, to be read once. Raises TooLarge at once if the announced length says so; while it is read,
        TooLarge as soon as that is known, CutShort, TooSlow, OSError."""
        if self.length is not None and self.length > limit:
            raise TooLarge
        return self._read(limit)

    def _read(self, limit: int) -> Iterator[bytes]:
        stream = self.request.environ["wsgi.input"]
        begun, size = time.monotonic(), 0
        while self.length is None or size < self.length:
            try:
                chunk = stream.read(CHUNK if self.length is None else min(CHUNK, self.length - size))
            except TimeoutError:
                raise TooSlow from None
            if not chunk:
                break
            size += len(chunk)
            if size > limit:
                raise TooLarge
            if time.monotonic() - begun > GRACE + size / SLOWEST:
                raise TooSlow
            yield chunk
        if self.length is not None and size < self.length:
            raise CutShort


def read_request(request: WSGIRequest) -> InboundRequest:
    """Raises BadLength if the request announces a length that is none, NoLength if the server behind us could not
    tell where its body ends."""
    environ = request.environ
    headers = {_name(key): value for key, value in environ.items() if key.startswith(_IN_ENVIRON)}
    announced = environ.get("CONTENT_LENGTH") or ""
    if "transfer-encoding" in headers:
        if not environ.get("wsgi.input_terminated"):
            raise NoLength
        return InboundRequest(request, headers, None)
    if not announced:
        return InboundRequest(request, headers, 0)
    if not (announced.isascii() and announced.isdigit() and len(announced) <= 18):
        raise BadLength
    return InboundRequest(request, headers, int(announced))


@lru_cache(maxsize=1024)
def _name(key: str) -> str:
    """A header's name in lower case, from its name in a WSGI environment (PEP 3333)."""
    return key.removeprefix("HTTP_").replace("_", "-").lower()
