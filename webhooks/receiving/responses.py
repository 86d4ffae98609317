"""Build the response to a stored message: at once, or when its handlers have finished.

A message is stored before any response, so each response here is 2xx. A source with ``response_when = processed``
lets its sender wait; if the handlers fail or take longer than ``response_timeout_seconds``, the response is 202 and
the retry plan continues without the sender.
"""

from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

import orjson

from webhooks.models import Source
from webhooks.processing.handler_waits import wait_for_handlers
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.ids import public

LATE = 1.0  # seconds allowed beyond the time of the source, if the thread that completes waits hangs with the database
Wait = Callable[[Future[str], float], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class InboundResponse:
    """A response to a sender: ``text`` if there is any, else ``json``; ``retry_after`` in seconds."""

    status: int
    json: dict[str, str] | None = None
    retry_after: int | None = None
    text: str = ""
    content_type: str = "application/json"
    allow: str = ""

    def headers_and_body(self) -> tuple[dict[str, str], bytes]:
        """Return the headers and the body as they are sent."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.allow:
            headers["Allow"] = self.allow
        if self.status == HTTPStatus.NO_CONTENT:
            return headers, b""
        if self.text:
            # The tenant chose this text, but it is served from our domain: a browser must not run scripts in it.
            headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Content-Type"] = self.content_type
            return headers, self.text.encode()
        if self.json is None:
            return headers, b""
        headers["Content-Type"] = "application/json"
        return headers, orjson.dumps(self.json)


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
        return InboundResponse(HTTPStatus.ACCEPTED, json)
    return _configured(source, source.response_status, json)


def duplicate_response(source: SourceSnapshot, receipt_id: UUID | None) -> InboundResponse:
    """Return the response to a duplicate: 200, whatever became of the first (None: the sweep removed it)."""
    return _configured(source, HTTPStatus.OK, {"receipt": public("rcp", receipt_id)} if receipt_id else None)


def _configured(source: SourceSnapshot, status: int, json: dict[str, str] | None) -> InboundResponse:
    content_type = source.response_content_type or "application/json"
    return InboundResponse(status, json, text=source.response_body, content_type=content_type)
