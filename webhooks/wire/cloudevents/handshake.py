"""Before webhooks flow, the target says in headers that it wants them, from whom, and how many a minute.

The abuse protection of "HTTP 1.1 Web Hooks for Event Delivery" 1.0.2 (CloudEvents), section 4, both ways: the
sender asks by OPTIONS (`ask`) and reads the answer (`judge`); the receiver answers (`answer`). Status codes
prove nothing, only headers do (4.2): many a server says 200 to an OPTIONS it does not understand.
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
    """What a target has said."""

    granted: bool
    rate: int | None = None
    """Requests per minute; None is no limit."""
    problem: str = ""
    """Why it is not granted, for the developer of the target."""


def request_headers(origin: str, *, rate: int | None = None, callback: str | None = None) -> dict[str, str]:
    """The headers of the OPTIONS request to the exact URL that is being registered (4.1).

    `origin` is the DNS name of the sending system, `rate` the requests per minute asked for, `callback` an
    https URL with a key nobody can guess, at which consent may be given later. Raises ValueError for values
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
    """Read the target's answer to `ask`; a rate must be in it if one was asked for (4.2).

    What is not granted here may still be granted by the callback.
    """
    allowed = _find(headers, ALLOWED_ORIGIN)
    if allowed is None:
        return HandshakeResult(False, problem=f"The answer has no {ALLOWED_ORIGIN}.")
    if allowed != "*" and allowed.lower() != origin.lower():
        return HandshakeResult(False, problem=f"{ALLOWED_ORIGIN} is neither {origin} nor *.")
    if requested_rate is not None and _find(headers, ALLOWED_RATE) is None:
        return HandshakeResult(False, problem=f"A rate was asked for, and the answer has no {ALLOWED_RATE}.")
    return read_callback(headers)


def read_callback(headers: Mapping[str, str]) -> HandshakeResult:
    """Read the request to the callback URL (4.1.3): calling it is the consent, a rate may come with it."""
    rate = _find(headers, ALLOWED_RATE)
    if rate is None or rate == "*":
        return HandshakeResult(True)
    if not _RATE.fullmatch(rate):
        return HandshakeResult(False, problem=f"{ALLOWED_RATE} is neither a positive integer nor *.")
    return HandshakeResult(True, int(rate))


def is_origin(text: str) -> bool:
    """Could a sender be called this? A DNS name, or `*` for anybody (4.1.1, 4.2.1)."""
    return text == "*" or _DNS_NAME.fullmatch(text) is not None


def response_headers(
    request: Mapping[str, str], *, origins: Collection[str], rate: int | None = None
) -> dict[str, str]:
    """The headers to answer a sender's OPTIONS with, as the target (4.2).

    `origins` are the senders we expect (`*` expects anybody), `rate` the most requests per minute we take
    (None: any). Whoever is not expected, or asks in a way the specification does not know, gets no consent.
    """
    refused = {"Allow": "POST"}
    origin = _find(request, REQUEST_ORIGIN)
    asked = _find(request, REQUEST_RATE)
    if origin is None or not _DNS_NAME.fullmatch(origin):
        return refused
    if "*" not in origins and origin.lower() not in {known.lower() for known in origins}:
        return refused
    if asked is not None and not _RATE.fullmatch(asked):
        return refused
    limits = [limit for limit in (rate, int(asked) if asked else None) if limit is not None]
    allowed = str(min(limits)) if limits else "*"
    return {"Allow": "POST", ALLOWED_ORIGIN: origin, ALLOWED_RATE: allowed}


def _find(headers: Mapping[str, str], name: str) -> str | None:
    wanted = name.lower()
    return next((value.strip(" \t") for key, value in headers.items() if key.lower() == wanted), None)
