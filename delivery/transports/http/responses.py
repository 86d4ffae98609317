"""Decide what an HTTP response, or the lack of one, means for the delivery.

PURE. The table (Standard Webhooks 1.0, "Handling failures"; CloudEvents webhook specification, 2.2):

    2xx                delivered
    410                gone
    429                overloaded; retry after Retry-After, but not before OVERLOADED_WAIT
    503                overloaded; retry after Retry-After
    502, 504           retry after Retry-After
    no response in time  overloaded; retry not before OVERLOADED_WAIT
    everything else    a failure without further meaning; Retry-After is ignored
"""

from datetime import UTC
from email.utils import parsedate_to_datetime

from delivery.transports.outcome import Failure, Outcome

GONE, TOO_MANY_REQUESTS, BAD_GATEWAY, UNAVAILABLE, GATEWAY_TIMEOUT = 410, 429, 502, 503, 504
RETRY_AFTER_STATUSES = frozenset({TOO_MANY_REQUESTS, BAD_GATEWAY, UNAVAILABLE, GATEWAY_TIMEOUT})
OVERLOADED_STATUSES = frozenset({TOO_MANY_REQUESTS, UNAVAILABLE})
OVERLOADED_WAIT = 60.0  # seconds without attempts of this delivery after a 429 or a timeout
SUCCESS = range(200, 300)


def outcome_of(
    *,
    started_at: float,
    duration_ms: int,
    status: int | None,
    failure: Failure | None,
    response: bytes = b"",
    retry_after: float | None = None,
) -> Outcome:
    """Return the outcome of an exchange.

    ``status`` is None if no header section was complete; ``failure`` says why, and is ignored otherwise: a response
    counts, however its body ended. ``retry_after`` is the header of the response, in seconds.
    """
    if status is not None:
        failure = None if status in SUCCESS else Failure.STATUS
    if failure is None:
        return Outcome(started_at, duration_ms, status, None, response)
    is_timeout = failure is Failure.TIMEOUT
    wait = retry_after if status in RETRY_AFTER_STATUSES else None
    if is_timeout or status == TOO_MANY_REQUESTS:
        wait = max(wait or 0.0, OVERLOADED_WAIT)
    return Outcome(
        started_at,
        duration_ms,
        status,
        failure,
        response,
        retry_after=wait,
        gone=status == GONE,
        overloaded=is_timeout or status in OVERLOADED_STATUSES,
    )


def parse_retry_after(text: str, now: float) -> float | None:
    """Return the seconds to wait by a ``Retry-After`` header in either form (RFC 9110, 10.2.3).

    None where it requires no wait: malformed values, negative numbers, dates in the past.
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


def final_status(line: bytes) -> int | None:
    """Return the status in ``HTTP/1.1 200 OK``; None for an interim one (1xx) and for what is not three digits.

    RFC 9112, 4. libcurl calls back with the line before it checks it.
    """
    words = line.split(None, 2)
    digits = words[1] if len(words) > 1 else b""
    return int(digits) if len(digits) == 3 and digits.isdigit() and digits >= b"200" else None
