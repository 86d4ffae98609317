"""What a sender is told about a message that is ours: at once, or when its handlers are done.

A message is kept before anything is answered, so every answer in here is a 2xx. A source that answers when its
handlers are done makes its sender wait for a while; if they fail, or take longer, the sender is told 202: kept, and
not done yet. It need not send again, for our own plan takes care of the rest.
"""

import time
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from django.db import Error as DatabaseTrouble

from webhooks.models import Receipt, Source
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.ids import public

FIRST_LOOK = 0.005  # seconds; then half as long again each time, up to
LAST_LOOK = 0.25


@dataclass(frozen=True, slots=True)
class InboundResponse:
    """What the sender is told: ``text`` if there is any, else ``body`` as JSON; ``retry_after`` in seconds."""

    status: int
    body: dict[str, str] | None = None
    retry_after: int | None = None
    text: str = ""
    content_type: str = "application/json"


def stored_response(source: SourceSnapshot, receipt_id: UUID) -> InboundResponse:
    """To a message that was just kept and rung for."""
    if source.response_when == Source.ResponseWhen.STORED:
        return _as_configured(source, source.response_status, {"receipt": public("rcp", receipt_id)})
    state = _state_within(receipt_id, source.response_timeout_seconds)
    said = {"receipt": public("rcp", receipt_id), "state": state}
    if state != "processed":
        return InboundResponse(HTTPStatus.ACCEPTED, said)
    return _as_configured(source, source.response_status, said)


def duplicate_response(source: SourceSnapshot, receipt_id: UUID | None) -> InboundResponse:
    """To a message we have had: 200, whatever became of the first (None: it has been swept since)."""
    return _as_configured(source, HTTPStatus.OK, {"receipt": public("rcp", receipt_id)} if receipt_id else None)


def _as_configured(source: SourceSnapshot, status: int, said: dict[str, str] | None) -> InboundResponse:
    return InboundResponse(
        status, said, text=source.response_body, content_type=source.response_content_type or "application/json"
    )


def _state_within(receipt_id: UUID, seconds: float) -> str:
    """The state of a receipt as soon as its handlers are done or have failed once, or the time is over."""
    end = time.monotonic() + seconds
    pause = FIRST_LOOK
    while True:
        try:
            receipt = Receipt.objects.only("due_at", "dead_at", "attempts").filter(id=receipt_id).first()
        except DatabaseTrouble:
            return "pending"  # it is kept: nobody may be told otherwise
        if receipt is None:
            return "processed"  # a handler removed it
        if receipt.state != "pending" or receipt.attempts or time.monotonic() > end:
            return receipt.state
        time.sleep(pause)
        pause = min(pause * 1.5, LAST_LOOK)
