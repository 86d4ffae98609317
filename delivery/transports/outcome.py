"""What one attempt came to: an answer, or the class of failure that kept one from coming. A value, never an exception.

PURE: no Django, no clock, no network.
"""

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum

__all__ = ["Failure", "Outcome", "parse_retry_after"]


class Failure(StrEnum):
    """Why an attempt did not deliver. The words appear in the API, the admin and the metrics."""

    STATUS = "status"  # an answer came, and it was not 2xx
    TIMEOUT = "timeout"  # no answer before the attempt's deadline
    DNS = "dns"  # the name did not resolve
    CONNECT = "connect"  # nobody accepted the connection
    RESET = "reset"  # the connection broke before the answer was complete
    TLS = "tls"  # the certificate or the handshake was refused
    FORBIDDEN = "forbidden"  # the name led to an address that may not be called
    PROTOCOL = "protocol"  # what came back was not HTTP, or its headers were too large
    UNSIGNED = "unsigned"  # no usable secret: nothing was sent
    CREDENTIALS = "credentials"  # what the endpoint wants to know us by could not be had: nothing was sent
    INTERNAL = "internal"  # we stumbled over this delivery ourselves: nothing was sent
    UNKNOWN = "unknown"  # the sender died before it could tell


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt. ``status`` is None if no complete answer came; ``retry_after`` is in seconds from its end."""

    started_at: float  # unix seconds
    duration_ms: int
    status: int | None = None
    failure: Failure | None = None
    answer: bytes = b""
    retry_after: float | None = None

    @property
    def acknowledged(self) -> bool:
        return self.failure is None


def parse_retry_after(text: str, now: float) -> float | None:
    """Seconds to wait, from either form of ``Retry-After`` (RFC 9110, 10.2.3).

    None for what asks for nothing: garbage, negative numbers, dates in the past.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    wait = moment.timestamp() - now
    return wait if wait > 0 else None
