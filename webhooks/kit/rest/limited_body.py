"""Read the whole body of an API request into memory, at most one byte past a limit.

A declared length above the limit is refused before reading; everything else is counted while it is read.

Failure: each is an API error (411, 413, 400, 415), see ``read_body``.

Used by the REST API and the request inspectors. The receiver has a reader of its own
(``webhooks.receiving.django_request``), which yields chunks without holding the body, ends slow senders, and raises
errors that become rejections; only the check of Content-Length is alike.
"""

from typing import Protocol

from django.http import HttpRequest, UnreadablePostError
from rest_framework import status
from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType

CHUNK = 65_536


class TooLarge(APIException):
    """Refuse a body that is larger than the limit."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"{what} may have {limit} bytes at most.")


class LengthRequired(APIException):
    """Refuse a body without a length where the server cannot tell where it ends."""

    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_detail = "Send a Content-Length."
    default_code = "length_required"


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def read_body(request: HttpRequest, limit: int) -> bytes:
    """Return the whole body.

    Raises as ``read_raw_body``, and UnsupportedMediaType (415: it is compressed; its decompressed size has no limit
    known beforehand).
    """
    check_encoding(request.META.get("HTTP_CONTENT_ENCODING", "identity"))
    return read_raw_body(request, limit)


def read_raw_body(request: HttpRequest, limit: int) -> bytes:
    """Return the whole body as it was sent, perhaps compressed.

    Raises TooLarge (413), LengthRequired (411) and ParseError (400: the body is shorter than declared).
    """
    declared = _declared(request)
    if declared is not None and declared > limit:
        raise TooLarge("A request", limit)
    body = _read(_source(request, declared), limit + 1)
    if len(body) > limit:
        raise TooLarge("A request", limit)
    if declared is not None and len(body) < declared:
        raise ParseError("The body is shorter than its Content-Length.")
    return body


def check_encoding(encoding: str) -> None:
    """Raise UnsupportedMediaType for a compressed body."""
    if encoding.lower() != "identity":
        raise UnsupportedMediaType(
            encoding, f"Send the body uncompressed: Content-Encoding {encoding} is not accepted."
        )


def _declared(request: HttpRequest) -> int | None:
    text = request.META.get("CONTENT_LENGTH") or ""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ParseError("The Content-Length is not a number.")
    return int(text)


def _source(request: HttpRequest, declared: int | None) -> _Readable:
    """Return what to read from: the server for a chunked body, since Django reads none without a Content-Length."""
    if declared is not None or "HTTP_TRANSFER_ENCODING" not in request.META:
        return request
    if not request.META.get("wsgi.input_terminated"):
        raise LengthRequired
    stream: _Readable = request.META["wsgi.input"]
    return stream


def _read(source: _Readable, most: int) -> bytes:
    chunks, have = [], 0
    try:
        while have < most and (chunk := source.read(min(CHUNK, most - have))):
            chunks.append(chunk)
            have += len(chunk)
    except (UnreadablePostError, OSError):
        raise ParseError("The connection ended before the whole body arrived.") from None
    return b"".join(chunks)
