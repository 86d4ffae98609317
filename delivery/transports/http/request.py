"""Describe one request of an attempt, and the trace that is filled while it runs."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pycurl

from subscriptions.endpoints.http.certificates import TlsFiles

MAX_RESPONSE = 16 * 1024  # bytes of the response body that are kept
STEPS = {
    "resolved_ms": pycurl.NAMELOOKUP_TIME,
    "connected_ms": pycurl.CONNECT_TIME,
    "tls_ms": pycurl.APPCONNECT_TIME,
    "first_byte_ms": pycurl.STARTTRANSFER_TIME,
    "total_ms": pycurl.TOTAL_TIME,
}
"""When each step of a transfer ended."""


@dataclass(slots=True)
class ResponseTrace:
    """Collect what deliveries do not record: response headers, and when each step ended, in milliseconds."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    timing: dict[str, int] = field(default_factory=dict)

    def add_line(self, line: bytes) -> None:
        """Add a line of the header section; those of an interim response are dropped when the next one begins."""
        name, colon, value = line.decode("latin-1").partition(":")
        if line[:5] == b"HTTP/":
            self.headers.clear()
        elif colon:
            self.headers.append((name.strip().lower(), value.strip()))

    def set_timing(self, curl: Any, waited: float) -> None:
        """Set when each step ended, in milliseconds since the attempt began ``waited`` seconds before the transfer."""
        times = {name: curl.getinfo(what) for name, what in STEPS.items()}
        self.timing.update({name: round((it + waited) * 1000) for name, it in times.items() if it})


class Request(NamedTuple):
    """Describe one request.

    ``signed_at``: unix seconds when it was composed and signed; its attempt starts then. ``admits`` says whether an
    IP address may be connected to. ``share``: the tenant in whose share its host name is looked up. ``tls``: the
    endpoint's own client certificate and authorities. ``trace`` is filled while the request runs.
    ``failure_pattern``: the pattern of a 2xx response that says that the delivery failed, as JSON.
    ``max_response``: bytes of the response body that are read.
    """

    url: str
    headers: list[str]
    body: bytes
    signed_at: float
    timeout_ms: int
    admits: Callable[[str], bool]
    share: Hashable = None
    tls: TlsFiles | None = None
    trace: ResponseTrace | None = None
    failure_pattern: str | None = None
    method: str = "POST"
    max_response: int = MAX_RESPONSE

    def traced(self, trace: ResponseTrace) -> "Request":
        """Return the same request with a trace to fill."""
        return self._replace(trace=trace)

    def __repr__(self) -> str:
        """Return what a log may contain: no header and no body."""
        return f"Request(url={self.url!r}, timeout_ms={self.timeout_ms})"
