"""Build the response to a stored message: at once, or when its handlers have finished.

A message is stored before any response, so each response here is 2xx. A source with ``response_when = processed``
lets its sender wait; if the handlers fail or take longer than ``response_timeout_seconds``, the response is 202 and
the retry plan continues without the sender.
"""

import time
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from django.db import Error as DatabaseError

from webhooks.models import Receipt, Source
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.ids import public

FIRST_POLL = 0.005  # seconds; each following wait is half as long again
MAX_POLL = 0.25  # seconds


@dataclass(frozen=True, slots=True)
class InboundResponse:
    """A response to a sender: ``text`` if there is any, else ``json``; ``retry_after`` in seconds."""

    status: int
    json: dict[str, str] | None = None
    retry_after: int | None = None
    text: str = ""
    content_type: str = "application/json"


def stored_response(source: SourceSnapshot, receipt_id: UUID) -> InboundResponse:
    """Return the response to a new message, after its handlers if the source says so."""
    if source.response_when == Source.ResponseWhen.STORED:
        return _configured(source, source.response_status, {"receipt": public("rcp", receipt_id)})
    state = _wait_for_handlers(receipt_id, source.response_timeout_seconds)
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


def _wait_for_handlers(receipt_id: UUID, seconds: float) -> str:
    """Poll a receipt until its handlers finished or failed once, or the time is over; return its state."""
    end = time.monotonic() + seconds
    pause = FIRST_POLL
    while True:
        try:
            receipt = Receipt.objects.only("due_at", "dead_at", "attempts").filter(id=receipt_id).first()
        except DatabaseError:
            return "pending"  # the message is stored, so the response must not be an error
        if receipt is None:
            return "processed"  # a handler deleted it
        if receipt.state != "pending" or receipt.attempts or time.monotonic() > end:
            return receipt.state
        time.sleep(pause)
        pause = min(pause * 1.5, MAX_POLL)
