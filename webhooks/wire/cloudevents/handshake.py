"""The abuse protection handshake: a target allows deliveries, for a sender and at a rate, in response headers.

"HTTP 1.1 Web Hooks for Event Delivery" 1.0.2 (CloudEvents), section 4, for both sides. The sender makes an OPTIONS
request (`request_headers`) and reads the response (`read_response`); the receiver responds (`response_headers`). Only
headers count, not the status (section 4.2): many servers respond 200 to any OPTIONS request.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from webhooks.wire.custom_headers import check_syntax

REQUEST_ORIGIN = "WebHook-Request-Origin"
REQUEST_RATE = "WebHook-Request-Rate"
REQUEST_CALLBACK = "WebHook-Request-Callback"
ALLOWED_ORIGIN = "WebHook-Allowed-Origin"
ALLOWED_RATE = "WebHook-Allowed-Rate"

_DNS_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*", re.IGNORECASE | re.ASCII)
_RATE = re.compile(r"0*[1-9][0-9]{0,8}")  # a positive integer (4.1.4), and one that fits a column


@dataclass(frozen=True, slots=True)
class HandshakeResult:
    """The result of the handshake with a target."""

    allowed: bool
    rate: int | None = None
    """Requests per minute; None is no limit."""
    problem: str = ""
    """Why deliveries are not allowed, for the developer of the target."""


def request_headers(origin: str, *, rate: int | None = None, callback: str | None = None) -> dict[str, str]:
    """Return the headers of the OPTIONS request to the URL that is being registered (section 4.1).

    `origin` is the DNS name of the sending system, `rate` the requested requests per minute, `callback` an
    https URL with an unguessable key, at which deliveries may be allowed later. Raises ValueError for values
    the specification does not allow.
    """
    if not _DNS_NAME.fullmatch(origin):
        raise ValueError(f"the origin must be a DNS name, not {origin!r}")
    headers = {REQUEST_ORIGIN: origin}
    if rate is not None:
        if rate < 1:
            raise ValueError(f"the rate must be 1 or more requests per minute, not {rate}")
        headers[REQUEST_RATE] = str(rate)
    if callback is not None:
        if not callback.startswith("https://"):
            raise ValueError("the callback must be an https URL")
        check_syntax(REQUEST_CALLBACK, callback)
        headers[REQUEST_CALLBACK] = callback
    return headers


def read_response(headers: Mapping[str, str], *, origin: str, requested_rate: int | None = None) -> HandshakeResult:
    """Read the response to the OPTIONS request; it must have a rate if one was requested (section 4.2).

    Deliveries that are not allowed here may still be allowed by the callback.
    """
    allowed = _find(headers, ALLOWED_ORIGIN)
    if allowed is None:
        return HandshakeResult(False, problem=f"The response has no {ALLOWED_ORIGIN}.")
    if allowed != "*" and allowed.lower() != origin.lower():
        return HandshakeResult(False, problem=f"{ALLOWED_ORIGIN} is neither {origin} nor *.")
    if requested_rate is not None and _find(headers, ALLOWED_RATE) is None:
        return HandshakeResult(False, problem=f"A rate was requested, and the response has no {ALLOWED_RATE}.")
    return read_callback(headers)


def read_callback(headers: Mapping[str, str]) -> HandshakeResult:
    """Read the request to the callback URL, which allows deliveries and may have a rate (section 4.1.3)."""
    rate = _find(headers, ALLOWED_RATE)
    if rate is None or rate == "*":
        return HandshakeResult(True)
    if not _RATE.fullmatch(rate):
        return HandshakeResult(False, problem=f"{ALLOWED_RATE} is neither a positive integer nor *.")
    return HandshakeResult(True, int(rate))


def is_origin(text: str) -> bool:
    """Return whether the text is a valid origin: a DNS name, or `*` for any sender (sections 4.1.1, 4.2.1)."""
    return text == "*" or _DNS_NAME.fullmatch(text) is not None


def response_headers(
    request: Mapping[str, str], *, origins: Collection[str], rate: int | None = None
) -> dict[str, str]:
    """Return the headers of the response to a sender's OPTIONS request (section 4.2).

    `origins` are the allowed senders (`*` allows any), `rate` the maximum of requests per minute (None: any). Other
    senders and malformed requests are not allowed.
    """
    not_allowed = {"Allow": "POST"}
    origin = _find(request, REQUEST_ORIGIN)
    requested = _find(request, REQUEST_RATE)
    if origin is None or not _DNS_NAME.fullmatch(origin):
        return not_allowed
    if "*" not in origins and origin.lower() not in {known.lower() for known in origins}:
        return not_allowed
    if requested is not None and not _RATE.fullmatch(requested):
        return not_allowed
    limits = [limit for limit in (rate, int(requested) if requested else None) if limit is not None]
    allowed = str(min(limits)) if limits else "*"
    return {"Allow": "POST", ALLOWED_ORIGIN: origin, ALLOWED_RATE: allowed}


def _find(headers: Mapping[str, str], name: str) -> str | None:
    return next((value.strip(" \t") for key, value in headers.items() if key.lower() == name.lower()), None)
