"""Turn the response of an API into the outcome of each message, by the failure that it means.

PURE. Kinds add what their API says in the body; a status alone means

    401, 403    access denied
    404, 410    not found
    413         too large
    429         throttled
    5xx, 408    unavailable
    3xx, 4xx    refused
"""

from collections.abc import Sequence
from typing import Any

import orjson

from delivery.transports.http.responses import GONE, REQUEST_TIMEOUT, TOO_MANY_REQUESTS
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.send_failed import MAX_TEXT, OVERLOADED, REJECTING

THROTTLE_PAUSE = 2.0  # seconds in which a throttled endpoint is sent nothing, if the API asks for no other time
BY_STATUS = {
    401: Failure.ACCESS_DENIED,
    403: Failure.ACCESS_DENIED,
    404: Failure.NOT_FOUND,
    GONE: Failure.NOT_FOUND,
    413: Failure.TOO_LARGE,
    TOO_MANY_REQUESTS: Failure.THROTTLED,
    REQUEST_TIMEOUT: Failure.UNAVAILABLE,
}


def failure_of_status(status: int | None) -> Failure:
    """Return what a status that is no success means."""
    if status in BY_STATUS:
        return BY_STATUS[status]
    return Failure.UNAVAILABLE if status is not None and status >= 500 else Failure.REFUSED


def failed(outcome: Outcome, failure: Failure, text: str = "") -> Outcome:
    """Return the outcome of a message that failed, in a request with this outcome.

    ``text``: recorded as the response; empty: the response itself.
    """
    is_throttled = failure is Failure.THROTTLED
    return outcome._replace(
        failure=failure,
        response=text.encode("utf-8", "replace")[:MAX_TEXT] if text else outcome.response,
        rejected=failure in REJECTING,
        overloaded=failure in OVERLOADED or outcome.overloaded,
        asked_pause=outcome.asked_pause or THROTTLE_PAUSE if is_throttled else outcome.asked_pause,
        retry_after=None if is_throttled else outcome.retry_after,
        gone=False,
    )


def by_status(outcome: Outcome, count: int) -> Sequence[Outcome]:
    """Return the outcomes of all messages of a request whose status says everything."""
    if outcome.delivered or outcome.status is None:
        return [outcome] * count
    return [failed(outcome, failure_of_status(outcome.status))] * count


def unreadable(outcome: Outcome, count: int) -> Sequence[Outcome]:
    """Return the outcomes of messages that the API may have stored, since it responded 2xx with something else."""
    return [outcome._replace(failure=Failure.PROTOCOL)] * count


def parsed(body: bytes) -> dict[str, Any]:
    """Return JSON as an object; an empty object for what is none."""
    try:
        document = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}
