"""Build the response to a stored message: at once, or when its handlers have finished.

A message is stored before any response, so each response here is 2xx. A source with ``response_when = processed``
lets its sender wait; if the handlers fail or take longer than ``response_timeout_seconds``, the response is 202 and
the retry plan continues without the sender.
"""

from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

from webhooks.models import Source
from webhooks.processing.handler_waits import state_after_handlers
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.ids import public


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
    state = state_after_handlers(receipt_id, source.id, source.response_timeout_seconds)
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
