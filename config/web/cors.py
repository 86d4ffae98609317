"""Let pages of listed origins call the API with a key (CORS; the Fetch standard, section 3.3).

Nothing is allowed by default. The origins are those of WAYPOST_CORS_ORIGINS, each by itself: no wildcard, no reflected
origin, and never credentials, since the API knows no cookies. The headers are added here and not by middleware of
Django, which some responses never pass (``application``).
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from config.web.django_view import Send
from config.web.request_ids import HEADER, new_request_id

API = "/api/"
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
REQUEST_HEADERS = frozenset(
    {"authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "waypost-tenant"}
)
ATTRIBUTE = "ce-"  # prefix of the headers of a CloudEvent in binary mode
RESPONSE_HEADERS = ", ".join(
    (
        *("ETag", "Link", "Location", "Retry-After", "RateLimit", "RateLimit-Policy", "WWW-Authenticate"),
        *("Deprecation", "Sunset", "Idempotency-Replayed", "Waypost-Request-Id"),
    )
).encode()
MAX_AGE = b"600"  # seconds for which a browser remembers what a preflight allowed
VARY = (b"vary", b"Origin")


def applies(scope: Any) -> bool:
    """Return whether responses to this request depend on its origin."""
    return bool(settings.WAYPOST_CORS_ORIGINS) and scope["path"].startswith(API)


def sending(send: Send, headers: Mapping[str, str]) -> Send:
    """Return a function that sends as ``send`` does, with the headers by which a browser lets the page read it."""
    added = [VARY]
    if is_allowed(headers):
        added += [*_origin(headers), (b"access-control-expose-headers", RESPONSE_HEADERS)]

    async def send_with_headers(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return send_with_headers


def is_allowed(headers: Mapping[str, str]) -> bool:
    """Return whether the request is from a page of a listed origin."""
    return headers.get("origin", "") in settings.WAYPOST_CORS_ORIGINS


def is_preflight(scope: Any, headers: Mapping[str, str]) -> bool:
    """Return whether a browser asks whether a page of a listed origin may send a request."""
    return scope["method"] == "OPTIONS" and "access-control-request-method" in headers and is_allowed(headers)


async def respond(send: Send, headers: Mapping[str, str]) -> None:
    """Respond to a preflight: all methods of the API, and those of the requested headers that it knows."""
    requested = (name.strip().lower() for name in headers.get("access-control-request-headers", "").split(","))
    known = sorted({name for name in requested if name in REQUEST_HEADERS or _is_attribute(name)})
    found = [
        *_origin(headers),
        (b"access-control-allow-methods", METHODS.encode()),
        (b"access-control-allow-headers", ", ".join(known).encode()),
        (b"access-control-max-age", MAX_AGE),
        (HEADER.lower().encode(), new_request_id().encode()),
        VARY,
    ]
    await send({"type": "http.response.start", "status": 204, "headers": found})
    await send({"type": "http.response.body", "body": b""})


def _origin(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(b"access-control-allow-origin", headers["origin"].encode("latin-1"))]


def _is_attribute(name: str) -> bool:
    rest = name.removeprefix(ATTRIBUTE)
    return rest != name and rest.isascii() and rest.isalnum()
