"""Decide what an HTTP response, or the lack of one, means for the delivery.

PURE. The table (Standard Webhooks 1.0, "Handling failures"; CloudEvents webhook specification, 2.2):

    2xx                delivered
    410                gone
    429                overloaded; retry not before OVERLOADED_WAIT
    503                overloaded
    3xx, other 4xx     rejected: the endpoint works, and does not accept this delivery
    no response in time  overloaded; retry not before OVERLOADED_WAIT
    everything else    a failure without further meaning, also 408 and 101

A response counts from its status line on. What follows may be slow, malformed, too long or cut short: the destination
has decided, and receives no second request because of it.

Where an API responds with 2xx to what it did not accept, the endpoint has a pattern for such bodies: a match is a
rejection. A body that is no JSON object, or longer than what is kept of it, matches nothing.

With Retry-After, every response but 2xx and 410 also asks for a pause of all deliveries to the endpoint: RFC 9110,
10.2.3 binds the field to no status (503, 413, 3xx), nor do RFC 6585 (429) and the senders of 403 with it.
"""

import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache

import orjson

from delivery.transports.outcome import Failure, Outcome
from webhooks.wire.patterns import Pattern
from webhooks.wire.step_budget import BudgetExceeded, StepBudget

SWITCHING_PROTOCOLS = 101  # the only 1xx that ends HTTP on its connection: no other response follows
REQUEST_TIMEOUT, GONE, TOO_MANY_REQUESTS, UNAVAILABLE = 408, 410, 429, 503
OVERLOADED_STATUSES = frozenset({TOO_MANY_REQUESTS, UNAVAILABLE})
OVERLOADED_WAIT = 60.0  # seconds without attempts of this delivery after a 429 or a timeout
LONGEST_RETRY_AFTER = 86_400.0  # seconds: no endpoint is paused for longer because of one response
MAX_STEPS = 20_000  # of matching a response with a pattern: about 2 ms
SUCCESS = range(200, 300)
REJECTIONS = frozenset(range(300, 500)) - {REQUEST_TIMEOUT, TOO_MANY_REQUESTS}
_SECONDS = re.compile(r"[0-9]{1,400}(\.[0-9]*)?")  # RFC 9110 allows no fraction, but servers send them
_STATUS_LINE = re.compile(rb"HTTP/(?:1\.[01]|[23](?:\.0)?)[ \t]+(101|[2-9][0-9]{2})(?:[ \t\r\n]|$)")
_ISO_8601 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)")  # not in RFC 9110, but sent


def outcome_of(
    *,
    started_at: float,
    duration_ms: int,
    status: int | None,
    failure: Failure | None,
    response: bytes = b"",
    headers: bytes = b"",
    retry_after: float | None = None,
) -> Outcome:
    """Return the outcome of an exchange.

    ``status`` is None if no status line arrived; ``failure`` says why, and is ignored otherwise: a response counts
    from its status line on, however the rest of it is. ``headers``: the lines of its header section. ``retry_after``
    is the header of the response, in seconds.
    """
    if status is not None:
        failure = None if status in SUCCESS else Failure.STATUS
    if failure is None:
        return Outcome(started_at, duration_ms, status, None, response, headers)
    is_timeout = failure is Failure.TIMEOUT
    asked = wait = None if status == GONE else retry_after or None
    if is_timeout or status == TOO_MANY_REQUESTS:
        wait = max(wait or 0.0, OVERLOADED_WAIT)
    return Outcome(
        started_at,
        duration_ms,
        status,
        failure,
        response,
        headers,
        retry_after=wait,
        asked_pause=asked,
        rejected=status in REJECTIONS,
        gone=status == GONE,
        overloaded=is_timeout or status in OVERLOADED_STATUSES,
    )


def refused_by(failure_pattern: str, outcome: Outcome) -> Outcome:
    """Return the outcome of a 2xx response: refused, if its body matches this pattern (JSON)."""
    try:
        document = orjson.loads(outcome.response)
    except orjson.JSONDecodeError:
        return outcome
    try:
        is_failure = isinstance(document, dict) and _compiled(failure_pattern).matches(document, StepBudget(MAX_STEPS))
    except BudgetExceeded:
        return outcome
    return outcome._replace(failure=Failure.REFUSED, rejected=True) if is_failure else outcome


@lru_cache(256)
def _compiled(pattern: str) -> Pattern:
    return Pattern(json.loads(pattern))


def parse_retry_after(text: str, now: float) -> float | None:
    """Return the seconds to wait by the lines of ``Retry-After`` (RFC 9110, 10.2.3), LONGEST_RETRY_AFTER at most.

    Of several lines, and of numbers that a proxy has joined with commas, the longest wait counts. None where the field
    requires no wait: malformed values, negative numbers, dates in the past.
    """
    waits = [wait for line in text.splitlines() if (wait := _wait(line.strip(), now)) is not None]
    return min(max(waits), LONGEST_RETRY_AFTER) if waits else None


def _wait(text: str, now: float) -> float | None:
    numbers = [part.strip() for part in text.split(",")]
    if all(_SECONDS.fullmatch(part) for part in numbers):
        return max(float(part) for part in numbers)
    try:
        moment = datetime.fromisoformat(text) if _ISO_8601.fullmatch(text) else parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    wait = moment.timestamp() - now
    return wait if wait > 0 else None


def final_status(line: bytes) -> int | None:
    """Return the status in ``HTTP/1.1 200 OK``; None for an interim one (1xx but 101) and for what is no status line.

    RFC 9112, 4. libcurl calls back with the line before it checks it.
    """
    found = _STATUS_LINE.match(line)
    return int(found[1]) if found else None
