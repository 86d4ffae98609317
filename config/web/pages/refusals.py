"""Respond to requests that the connection refuses: as a problem (RFC 9457), like every other error.

The server prepares its protocol before the apps are loaded, so nothing here may import a model.
"""

from typing import NamedTuple

import orjson

from config.web.connection_limits import HEAD_TIMEOUT, MAX_HEAD, MAX_HEADERS, MAX_URL
from config.web.request_ids import HEADER
from subscriptions.api.conventions.problem_types import problem_members

RETRY_AFTER = 5  # seconds, after which another connection may be free

_STATUS = {
    400: b"400 Bad Request",
    408: b"408 Request Timeout",
    414: b"414 URI Too Long",
    431: b"431 Request Header Fields Too Large",
    501: b"501 Not Implemented",
    503: b"503 Service Unavailable",
}


class Refusal(NamedTuple):
    """Why a request is refused. ``detail`` is a sentence for the developer of the client."""

    status: int
    code: str
    detail: str


def malformed(detail: str) -> Refusal:
    """Return the refusal of a request that is no valid HTTP."""
    return Refusal(400, "malformed_request", detail)


INVALID = malformed("The request is no valid HTTP/1.1.")
MOSTLY_FRAMING = malformed("The chunks of the body are mostly framing; send larger chunks, or a Content-Length.")
ONE_HOST = malformed("The request must have exactly one Host header (RFC 9112, section 3.2).")
NO_TUNNEL = malformed("CONNECT is not supported; this server is no proxy.")
NO_CODINGS = malformed("A request in HTTP/1.0 must not have a Transfer-Encoding (RFC 9112, section 6.1).")
ONLY_CHUNKED = Refusal(501, "transfer_coding_unsupported", "The only transfer coding that is supported is chunked.")
LONG_TARGET = Refusal(414, "uri_too_long", f"The request target must not have more than {MAX_URL:,} bytes.")
LARGE_HEADERS = Refusal(
    431,
    "headers_too_large",
    f"The request must not have more than {MAX_HEADERS} headers, or more than {MAX_HEAD:,} bytes of headers.",
)
LATE_HEAD = Refusal(408, "too_slow", f"The request line and the headers must arrive within {HEAD_TIMEOUT:.0f} seconds.")
CROWDED = Refusal(503, "too_many_connections", "Too many connections are open, of this address or of all.")
REFUSALS = (
    *(INVALID, MOSTLY_FRAMING, ONE_HOST, NO_TUNNEL, NO_CODINGS, ONLY_CHUNKED),
    *(LONG_TARGET, LARGE_HEADERS, LATE_HEAD, CROWDED),
)


def response_to_refused(refusal: Refusal, request_id: str, *, is_head: bool) -> bytes:
    """Return the last response of a connection. That to a HEAD has no body (RFC 9110, section 9.3.2)."""
    body = orjson.dumps({**problem_members(refusal.code, refusal.status), "detail": refusal.detail})
    lines = [
        b"HTTP/1.1 %s" % _STATUS[refusal.status],
        b"content-type: application/problem+json",
        b"content-length: %d" % len(body),
        b"x-content-type-options: nosniff",
        b"%s: %s" % (HEADER.lower().encode(), request_id.encode()),
        *([b"retry-after: %d" % RETRY_AFTER] if refusal.status == 503 else []),
        b"connection: close",
    ]
    return b"\r\n".join([*lines, b"", b"" if is_head else body])
