"""Write an event with what became of it as one line of JSON, and read it again.

    {"id": "evt_...", "type": "order.paid", ..., "deliveries": [{"state": "delivered", "attempts": [...]}],
     "cloudevent": {"specversion": "1.0", ...}}

``cloudevent`` is the last member, and has the bytes that were signed and sent. JSON may contain line breaks between its
tokens: those of ``cloudevent`` become blanks, and the exact bytes are then in ``body`` (base64) too. Times are in UTC.
Members without a value are left out. The same rows always give the same bytes.
"""

from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from delivery.models import DeadLetter, Delivery, Event, Replay
from delivery.sql.archiving.rows import ArchivedAttempt, ArchivedDeadLetter, ArchivedDelivery, ArchivedEvent
from subscriptions.models import Endpoint, Grant, Tenant
from webhooks.wire.ids import parse, public

BODY = b',"cloudevent":'  # cannot occur before: quotes within strings are escaped
LINE_BREAKS = bytes.maketrans(b"\n\r", b"  ")

Document = dict[str, Any]


def write_lines(
    events: Sequence[ArchivedEvent],
    deliveries: Sequence[ArchivedDelivery],
    attempts: Sequence[ArchivedAttempt],
    dead_letters: Sequence[ArchivedDeadLetter],
) -> bytes:
    """Return a line for each event, in this order, each with its deliveries."""
    ended: dict[UUID, list[Document]] = defaultdict(list)
    tried: dict[UUID, list[Document]] = defaultdict(list)
    died: dict[UUID, list[Document]] = defaultdict(list)
    for attempt in attempts:
        tried[attempt.delivery_id].append(_attempt(attempt))
    for letter in dead_letters:
        died[letter.delivery_id].append(_dead_letter(letter))
    for it in deliveries:
        ended[it.event_id].append(_delivery(it, tried[it.id], died[it.id]))
    return b"".join(_line(event, ended[event.id]) for event in events)


def read_lines(content: bytes) -> list[ArchivedEvent]:
    """Return the events of an object, oldest first. Raises ValueError for what is no line of an archive."""
    try:
        return [_event(line) for line in content.splitlines()]
    except KeyError as error:
        raise ValueError(f"a line has no member {error}") from None


def erase_line(line: bytes, body: bytes, subject: str | None, erased_at: datetime, erased_by: str) -> bytes:
    """Return the line of an event whose data is erased: with this body and subject, and without what quotes the data.

    ``line`` is without its line break. If it says already when and by whom it was erased, that stays.
    """
    head = _head(line)
    head.pop("body", None)
    head |= {"subject": subject}
    head.setdefault("payload_deleted_at", _time(erased_at))
    head.setdefault("payload_deleted_by", erased_by)
    for delivery in head["deliveries"]:
        for letter in delivery.get("dead_letters", ()):
            letter.pop("reason", None)
    return _join(head, body)


def _line(event: ArchivedEvent, deliveries: list[Document]) -> bytes:
    head = {
        "id": public(Event.prefix, event.id),
        "tenant": public(Tenant.prefix, event.tenant_id),
        "published_at": _time(event.created_at),
        "source": event.source,
        "event_id": event.event_id,
        "type": event.type,
        "subject": event.subject,
        "digest": bytes(event.digest).hex(),
        "traceparent": event.traceparent,
        "payload_deleted_at": _time(event.payload_deleted_at),
        "payload_deleted_by": event.payload_deleted_by,
        "about": _id(Event.prefix, event.about),
        "grant": _id(Grant.prefix, event.grant_id),
        "deliveries": deliveries,
    }
    return _join(head, bytes(event.body))


def _join(head: Document, body: bytes) -> bytes:
    on_one_line = body.translate(LINE_BREAKS)
    if on_one_line != body:
        head["body"] = b64encode(body).decode()
    return b"".join([orjson.dumps(_without_empty(head))[:-1], BODY, on_one_line, b"}\n"])


def _delivery(it: ArchivedDelivery, attempts: list[Document], dead_letters: list[Document]) -> Document:
    return _without_empty(
        {
            "id": public(Delivery.prefix, it.id),
            "endpoint": public(Endpoint.prefix, it.endpoint_id),
            "state": it.state,
            "created_at": _time(it.created_at),
            "replay": _id(Replay.prefix, it.replay_id),
            "cancelled_at": _time(it.cancelled_at),
            "cancelled_by": it.cancelled_by,
            "superseded_at": _time(it.superseded_at),
            "attempts": attempts,
            "dead_letters": dead_letters or None,
        }
    )


def _attempt(it: ArchivedAttempt) -> Document:
    return _without_empty(
        {
            "number": it.number,
            "started_at": _time(it.started_at),
            "duration_ms": it.duration_ms,
            "status": it.status,
            "error": it.error or None,
        }
    )


def _dead_letter(it: ArchivedDeadLetter) -> Document:
    return _without_empty(
        {
            "id": public(DeadLetter.prefix, it.id),
            "cause": it.cause,
            "reason": it.reason or None,
            "failed_at": _time(it.failed_at),
            "closed_at": _time(it.closed_at),
            "closed_by": it.closed_by or None,
            "is_discarded": it.is_discarded or None,
            "note": it.note or None,
        }
    )


def _event(line: bytes) -> ArchivedEvent:
    head = _head(line)
    body = b64decode(head["body"]) if "body" in head else line[line.index(BODY) + len(BODY) : -1]
    return ArchivedEvent(
        id=parse(Event.prefix, head["id"]),
        tenant_id=parse(Tenant.prefix, head["tenant"]),
        created_at=datetime.fromisoformat(head["published_at"]),
        source=head["source"],
        event_id=head["event_id"],
        type=head["type"],
        subject=head.get("subject"),
        digest=bytes.fromhex(head["digest"]),
        traceparent=head.get("traceparent"),
        payload_deleted_at=_moment(head, "payload_deleted_at"),
        payload_deleted_by=head.get("payload_deleted_by"),
        about=_key(head, "about", Event.prefix),
        grant_id=_key(head, "grant", Grant.prefix),
        body=body,
    )


def _head(line: bytes) -> Document:
    """Return the members of a line but the CloudEvent."""
    head: Document = orjson.loads(line[: line.index(BODY)] + b"}")
    return head


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _moment(head: Mapping[str, Any], name: str) -> datetime | None:
    return datetime.fromisoformat(head[name]) if name in head else None


def _id(prefix: str, key: UUID | None) -> str | None:
    return None if key is None else public(prefix, key)


def _key(head: Mapping[str, Any], name: str, prefix: str) -> UUID | None:
    return parse(prefix, head[name]) if name in head else None


def _without_empty(document: Document) -> Document:
    return {name: value for name, value in document.items() if value is not None}
