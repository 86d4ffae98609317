"""A verified message becomes a row, once: due if anybody handles it, and at rest from the start if nobody does.

Whether the source names handlers is asked of its row, not of a picture of it: whoever has added one and then has a
message sent finds it handled. Where its place in a sequence is looked at, a receipt is due as well.

The statement lists its rows. As arrays the same values cost ten times as much to write down: psycopg writes arrays as
text, and a body twice as long in it. The price is a plan for each number of rows: as many as requests come at once, of
which psycopg keeps a hundred. So a value never changes its type, not even to say that there is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from psycopg.types.json import Jsonb
from psycopg.types.numeric import Int8

from webhooks.kit import sql
from webhooks.kit.claim_check import Ticket
from webhooks.kit.group_commit import Together
from webhooks.sources.message_labels import MessageLabels

_COLUMNS = {
    "id": "uuid",
    "source_id": "uuid",
    "message_id": "text",
    "event_type": "text",
    "order_key": "text",
    "content_type": "text",
    "headers": "jsonb",
    "body": "bytea",
    "body_key": "text",
    "size": "bigint",
    "sha256": "text",
    "secret_id": "uuid",
}
_NAMES = ", ".join(_COLUMNS)
_TYPES = [*_COLUMNS.values(), "boolean"]
_NOBODY = UUID(int=0)  # stands for no secret, as no bytes do for a body that is somewhere else
_READ_AS = {"body": "CASE WHEN body_key = '' THEN body END", "secret_id": f"NULLIF(secret_id, '{_NOBODY}')"}
_VALUES = ", ".join(_READ_AS.get(name, name) for name in _COLUMNS)

_INSERT = f"""
    INSERT INTO webhooks_receipt ({_NAMES}, due_at, processed_at, handled_by)
    SELECT {_VALUES}, CASE WHEN owed THEN statement_timestamp() END, CASE WHEN NOT owed THEN statement_timestamp() END,
        CASE WHEN NOT owed THEN '[]'::jsonb END
    FROM (
        SELECT *, handled OR COALESCE((
            SELECT handlers <> '[]' OR sequence_path <> '' FROM webhooks_source WHERE id = message.source_id
        ), true) AS owed
        FROM (VALUES {{}}) AS message ({_NAMES}, handled)
    ) AS judged
    ON CONFLICT (source_id, message_id) DO NOTHING
    RETURNING id, due_at IS NOT NULL
"""  # noqa: S608 - the names are those above


@dataclass(frozen=True, slots=True)
class VerifiedMessage:
    """A verified message on its way into a row."""

    id: UUID
    source_id: UUID
    labels: MessageLabels
    content_type: str
    headers: dict[str, str]
    ticket: Ticket
    secret_id: UUID | None = None
    """The source's secret it was signed with, if it was one."""
    handled: bool = True
    """Something works on its source, whatever the source's row says of handlers."""


class InsertResult(Enum):
    """What became of a message that was to be kept."""

    OWED = "kept, and its handlers are owed a run"
    AT_REST = "kept, and nobody handles it"
    REPEAT = "its id is there already"


def insert_receipt(message: VerifiedMessage) -> InsertResult:
    """Keep a message, or find that one with its id is there. Committed when this returns, together with others that
    come at the same time; within a transaction of the caller's it is written in that one, alone."""
    if connection.in_atomic_block:
        return insert_receipts([message])[0]
    return _keeping.add(message)


def insert_receipts(messages: Sequence[VerifiedMessage]) -> list[InsertResult]:
    """Keep messages by one statement, and say what became of each. Of twins among them the first is kept.

    In the order of their keys, so that two processes that are given the same messages wait for each other and never
    in a circle."""
    ordered = sorted(messages, key=lambda message: (message.source_id, message.labels.message_id))
    values = [value for message in ordered for value in _values(message)]
    rows = sql.run(_insert_of(len(ordered)), values)
    new = {id: InsertResult.OWED if is_owed else InsertResult.AT_REST for id, is_owed in rows}
    return [new.get(message.id, InsertResult.REPEAT) for message in messages]


def _values(message: VerifiedMessage) -> tuple[Any, ...]:
    """In the order of the columns, each always of one type: else each mixture would be another statement."""
    labels, ticket = message.labels, message.ticket
    return (
        *(message.id, message.source_id, labels.message_id, labels.event_type, labels.order_key),
        *(message.content_type, Jsonb(message.headers, dumps=orjson.dumps)),
        *(ticket.body or b"", ticket.key, Int8(ticket.size), ticket.sha256),
        *(message.secret_id or _NOBODY, message.handled),
    )


@lru_cache(maxsize=128)
def _insert_of(rows: int) -> bytes:
    """The statement for so many messages, its parameters numbered as PostgreSQL does."""
    width = len(_TYPES)
    places = [
        ", ".join(f"${row * width + column}::{kind}" for column, kind in enumerate(_TYPES, 1)) for row in range(rows)
    ]
    return _INSERT.format(", ".join(f"({place})" for place in places)).encode()


_keeping: Together[VerifiedMessage, InsertResult] = Together(insert_receipts)
