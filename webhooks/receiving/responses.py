"""Build the response to each outcome: at once, or when the handlers have finished.

A new message is stored before it is responded to. A source with ``response_when = processed`` lets its sender wait; if
the handlers fail or take longer than ``response_timeout_seconds``, the response is that of the outcome ``failed``, 202
by default, and the retry plan continues without the sender. Senders want all kinds of responses, so a source may
replace the default of each outcome: status, body and content type.

The default of an error is a problem (RFC 9457) that follows from the status alone: who has no valid signature learns
no more.
"""

from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from uuid import UUID

import orjson
from django.conf import settings

from webhooks.models import Source
from webhooks.processing.handler_waits import wait_for_handlers
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.ids import public

# Seconds after the time limit of the source when a response no longer waits for the thread that completes waits: it may
# hang with the database.
LATE = 1.0
Wait = Callable[[Future[str], float], Awaitable[str]]
PROBLEMS: dict[int, tuple[str, str]] = {
    HTTPStatus.BAD_REQUEST: ("message_incomplete", "Incomplete message"),
    HTTPStatus.UNAUTHORIZED: ("signature_invalid", "Signature not valid"),
    HTTPStatus.FORBIDDEN: ("sender_refused", "Sender not allowed"),
    HTTPStatus.NOT_FOUND: ("not_found", "Not found"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "Method not allowed"),
    HTTPStatus.REQUEST_TIMEOUT: ("too_slow", "Request too slow"),
    HTTPStatus.GONE: ("gone", "No longer kept"),
    HTTPStatus.LENGTH_REQUIRED: ("length_required", "Length required"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("too_large", "Too large"),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("unsupported_media_type", "Media type not supported"),
    HTTPStatus.TOO_MANY_REQUESTS: ("rate_limited", "Too many requests"),
    HTTPStatus.SERVICE_UNAVAILABLE: ("unavailable", "Unavailable"),
}
"""By status: the code and the title of the problem."""


@dataclass(frozen=True, slots=True)
class InboundResponse:
    """A response to a sender: ``text`` unless it is None, else ``json``, else the problem of an error's status.

    ``retry_after``: seconds.
    """

    status: int
    json: dict[str, str] | None = None
    retry_after: int | None = None
    text: str | None = None
    content_type: str = "application/json"
    allow: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def headers_and_body(self) -> tuple[dict[str, str], bytes]:
        """Return the headers and the body as they are sent."""
        headers = dict(self.headers)
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.allow:
            headers["Allow"] = self.allow
        if self.status == HTTPStatus.NO_CONTENT:
            return headers, b""
        if self.text is not None:
            if not self.text:
                return headers, b""
            # The tenant chose this text, but it is served from our domain: a browser must not run scripts in it.
            headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Content-Type"] = self.content_type
            return headers, self.text.encode()
        if self.json is None and self.status in PROBLEMS:
            headers["Content-Type"] = "application/problem+json"
            return headers, _problem(self.status, settings.WAYPOST_PROBLEM_TYPES)
        if self.json is None:
            return headers, b""
        headers["Content-Type"] = "application/json"
        return headers, orjson.dumps(self.json)


@lru_cache(maxsize=len(PROBLEMS))
def _problem(status: int, problem_types: str) -> bytes:
    """Return the problem (RFC 9457) of a status; ``problem_types``: URL below which each kind has its page."""
    code, title = PROBLEMS[status]
    kind = {"type": f"{problem_types}{code}/"} if problem_types else {}
    return orjson.dumps({**kind, "title": title, "status": int(status), "code": code})


async def stored_response(source: SourceSnapshot, receipt_id: UUID, wait: Wait) -> InboundResponse:
    """Return the response to a new message, after its handlers if the source says so."""
    if source.response_when == Source.ResponseWhen.STORED:
        return _configured(source, source.response_status, {"receipt": public("rcp", receipt_id)})
    seconds = source.response_timeout_seconds
    if not seconds:
        return InboundResponse(HTTPStatus.ACCEPTED, {"receipt": public("rcp", receipt_id), "state": "pending"})
    handled = wait_for_handlers(receipt_id, source.id, seconds, tenant_id=source.tenant_id)
    try:
        state = await wait(handled, seconds + LATE)
    except TimeoutError:
        handled.cancel()
        state = "pending"
    json = {"receipt": public("rcp", receipt_id), "state": state}
    if state != "processed":
        return response_to(source, "failed", InboundResponse(HTTPStatus.ACCEPTED, json))
    return _configured(source, source.response_status, json)


def duplicate_response(source: SourceSnapshot, receipt_id: UUID | None) -> InboundResponse:
    """Return the response to a duplicate: 200, whatever became of the first (None: the sweep removed it)."""
    json = {"receipt": public("rcp", receipt_id)} if receipt_id else None
    return response_to(source, "duplicate", _configured(source, HTTPStatus.OK, json))


def response_to(source: SourceSnapshot, outcome: str, default: InboundResponse) -> InboundResponse:
    """Return the response that the source has for an outcome, or the default; a Retry-After is kept."""
    chosen = source.responses.get(outcome)
    if chosen is None:
        return default
    return InboundResponse(
        chosen.get("status", default.status),
        text=chosen.get("body", ""),
        content_type=chosen.get("content_type") or "application/json",
        retry_after=default.retry_after,
    )


def _configured(source: SourceSnapshot, status: int, json: dict[str, str] | None) -> InboundResponse:
    content_type = source.response_content_type or "application/json"
    return InboundResponse(status, json, text=source.response_body, content_type=content_type)
