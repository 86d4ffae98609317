"""Check a tenant's custom headers: none may frame, route or sign the request.

Header names and values are attack surface (CVE-2025-6454): a line break starts a new header, a framing header smuggles
a second request, and one header is enough for a cloud's metadata service to hand out credentials. Headers are checked
when they are saved, and again before they are sent.
"""

import re
from collections.abc import Mapping

from webhooks.wire.header_values import is_name

MAX_COUNT = 32
MAX_NAME = 128  # octets
MAX_VALUE = 4096  # octets
MAX_TOTAL = 16 * 1024  # octets of all names and values; servers commonly take 8 to 32 KiB of headers

FORBIDDEN_NAMES = frozenset(
    {
        # hop by hop, RFC 9110 section 7.6.1
        *("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings"),
        # framing and content, which the sender sets
        *("content-length", "content-type", "content-encoding", "content-range", "expect", "range"),
        *("accept-encoding", "content-digest", "digest", "repr-digest", "date"),
        # sender, recipient and cookies
        *("host", "user-agent", "via", "forwarded", "max-forwards", "x-real-ip", "true-client-ip"),
        *("x-client-ip", "x-cluster-client-ip", "cookie", "cookie2", "set-cookie", "origin", "referer"),
        # headers that make a proxy use another method or path
        *("x-http-method", "x-http-method-override", "x-method-override", "x-original-url", "x-rewrite-url"),
        # HTTP message signatures (RFC 9421) and trace context, which the sender writes
        *("signature", "signature-input", "traceparent", "tracestate", "baggage"),
        # headers that the metadata services of Azure and Google require
        *("metadata", "metadata-flavor"),
    }
)

FORBIDDEN_PREFIXES = (
    *("webhook-", "svix-", "ce-", "waypost-", "x-waypost-"),  # headers that the sender writes
    *("proxy-", "sec-", "access-control-", "x-forwarded-", "x-accel-", "x-envoy-", "cf-"),  # proxies' and browsers'
    *("x-aws-ec2-metadata-", "x-google-metadata-", "x-amzn-"),  # clouds'
)

_SEPARATOR = re.compile(r"[^0-9a-z]")  # CGI turns hyphens into underscores, servers of PHP and others also dots
_VALUE = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?")  # RFC 9110 section 5.5, without obs-text


class ForbiddenHeader(ValueError):
    """A custom header is not allowed. `name` is the header; the message never contains the value."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, problem)
        self.name = name
        self.problem = problem

    def __str__(self) -> str:
        return f"Header {self.name[:MAX_NAME]!r}: {self.problem}"


def check(headers: Mapping[str, str]) -> None:
    """Raise ForbiddenHeader for the first custom header that may not be sent with a webhook."""
    if len(headers) > MAX_COUNT:
        raise ForbiddenHeader(list(headers)[MAX_COUNT], f"more than {MAX_COUNT} headers.")
    seen: set[str] = set()
    total = 0
    for name, value in headers.items():
        check_syntax(name, value)
        folded = folded_name(name)
        if folded in FORBIDDEN_NAMES or folded.startswith(FORBIDDEN_PREFIXES):
            raise ForbiddenHeader(name, "is reserved.")
        if folded in seen:
            raise ForbiddenHeader(name, "is given twice: many servers read case, hyphens and underscores as the same.")
        seen.add(folded)
        total += len(name) + len(value)
        if total > MAX_TOTAL:
            raise ForbiddenHeader(name, f"more than {MAX_TOTAL} bytes of headers.")


def folded_name(name: str) -> str:
    """Return the form in which many servers take different names for the same variable: ``X_A`` is ``x-a``."""
    return _SEPARATOR.sub("-", name.lower())


def check_syntax(name: str, value: str) -> None:
    """Raise ForbiddenHeader unless name and value are one valid header (RFC 9110 section 5)."""
    if not is_name(name) or len(name) > MAX_NAME:
        raise ForbiddenHeader(name, f"the name must be 1 to {MAX_NAME} letters, digits or hyphens.")
    if not value.isascii():
        raise ForbiddenHeader(name, "characters beyond ASCII must be percent-encoded.")
    if not _VALUE.fullmatch(value):
        raise ForbiddenHeader(name, "the value must be printable ASCII without spaces at its ends.")
    if len(value) > MAX_VALUE:
        raise ForbiddenHeader(name, f"the value is longer than {MAX_VALUE} characters.")
