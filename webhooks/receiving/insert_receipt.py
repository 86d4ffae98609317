"""Insert verified messages as receipts, several in one transaction (group commit); duplicates are not inserted.

A receipt is due if its source has handlers or a sequence, and settled from the start otherwise. The source's row is
asked in the statement, not the snapshot, so a handler that was added a moment ago gets the next message.

The statement lists its rows as VALUES. Arrays would cost ten times as much to write: psycopg writes arrays as text,
and a body twice as long. The price is one plan for each number of rows; psycopg caches a hundred. So each value always
has the same type, also where there is none.
"""

from collections.abc import Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from django.db import Error as DatabaseError
from django.db import connection

from webhooks.kit import sql
from webhooks.kit.bodies.claim_check import StoredBody
from webhooks.kit.group_commit import GroupCommit
from webhooks.sources.message_labels import MessageLabels


@dataclass(frozen=True, slots=True)
class VerifiedMessage:
    """A verified message before it is a row.

    ``secret_id`` names the secret that signed it, if any; ``has_handlers`` says that code registers handlers for its
    source (the source's row may name more); ``may_repeat``: it is stored whatever its message id; ``unique_for``:
    seconds after which a message with its id is stored again, or None for as long as the receipt is kept.
    """

    id: UUID
    source_id: UUID
    labels: MessageLabels
    content_type: str
    headers: dict[str, str]
    body: StoredBody
    secret_id: UUID | None = None
    has_handlers: bool = True
    owner: Hashable = None
    may_repeat: bool = False
    unique_for: int | None = None

    @property
    def key(self) -> tuple[UUID, str]:
        """Return what identifies the message: its source and its message id."""
        return self.source_id, self.labels.message_id


class InsertOutcome(Enum):
    """The possible results of inserting a message."""

    DUE = "stored, and its handlers are due"
    SETTLED = "stored, and nothing handles it"
    DUPLICATE = "a receipt with its message id exists"


@dataclass(frozen=True, slots=True)
class FirstReceipt:
    """The receipt that a duplicate repeats."""

    id: UUID
    sha256: str


@dataclass(frozen=True, slots=True)
class InsertResult:
    """The result of inserting a message; ``first`` of a duplicate, unless the sweep removed it meanwhile."""

    outcome: InsertOutcome
    first: FirstReceipt | None = None


def insert_receipt(message: VerifiedMessage) -> "Future[InsertResult]":
    """Insert a message together with others that arrive at the same time; it is committed when the future is done.

    Inside a transaction of the caller the message is inserted alone, in that transaction.
    """
    if not connection.in_atomic_block:
        return group_commit.submit(message)
    inserted: Future[InsertResult] = Future()
    try:
        inserted.set_result(insert_receipts([message])[0])
    except Exception as error:
        inserted.set_exception(error)
    return inserted


def insert_receipts(messages: Sequence[VerifiedMessage]) -> list[InsertResult]:
    """Insert messages by one statement; of duplicates among them the first is stored."""
    new = _insert(messages)
    duplicates = [message for message in messages if message.id not in new]
    if any(message.unique_for is not None for message in duplicates) and (freed := _free_keys(duplicates)):
        new |= _insert([message for message in duplicates if message.key in freed])
        duplicates = [message for message in duplicates if message.id not in new]
    first = _find_first(duplicates) if duplicates else {}
    return [
        new.get(message.id) or InsertResult(InsertOutcome.DUPLICATE, first.get(message.key)) for message in messages
    ]


def _insert(messages: Sequence[VerifiedMessage]) -> dict[UUID, InsertResult]:
    """Insert messages, and return the results of those that are no duplicates.

    Rows are ordered by their unique key, so that two processes with the same messages cannot deadlock.
    """
    ordered = sorted(messages, key=lambda message: message.key)
    values = [value for message in ordered for value in _values(message)]
    rows = sql.run(_statement(len(ordered)), values)
    return {id: InsertResult(InsertOutcome.DUE if is_due else InsertOutcome.SETTLED) for id, is_due in rows}


def _free_keys(duplicates: Sequence[VerifiedMessage]) -> set[tuple[UUID, str]]:
    """Let receipts whose time as the only one with their message id is over be repeated; return their keys."""
    limited = {message.key: message.unique_for for message in duplicates if message.unique_for is not None}
    keys = sorted(limited)
    values = {
        "sources": [source_id for source_id, _ in keys],
        "ids": [message_id for _, message_id in keys],
        "seconds": [limited[key] for key in keys],
    }
    return {(source_id, message_id) for source_id, message_id in sql.run(_FREE, values)}


def _find_first(duplicates: Sequence[VerifiedMessage]) -> dict[tuple[UUID, str], FirstReceipt]:
    """Return the stored receipts of duplicates. A failure counts as none: the other messages are committed."""
    keys = {"sources": [one.source_id for one in duplicates], "ids": [one.labels.message_id for one in duplicates]}
    try:
        rows = sql.run(_FIND, keys)
    except DatabaseError:
        return {}
    return {(source_id, message_id): FirstReceipt(id, sha256) for source_id, message_id, id, sha256 in rows}


MAX_GROUP = 64  # messages in one shared transaction
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
    "may_repeat": "boolean",
}
_NAMES = ", ".join(_COLUMNS)
_TYPES = [*_COLUMNS.values(), "boolean"]
_NO_SECRET = UUID(int=0)  # passed for no secret, as empty bytes are for a body in storage
_NULLABLE = {"body": "CASE WHEN body_key = '' THEN body END", "secret_id": f"NULLIF(secret_id, '{_NO_SECRET}')"}
_SELECTED = ", ".join(_NULLABLE.get(name, name) for name in _COLUMNS)

_INSERT = f"""
    INSERT INTO webhooks_receipt ({_NAMES}, due_at, processed_at, handled_by)
    SELECT {_SELECTED}, CASE WHEN is_due THEN statement_timestamp() END,
        CASE WHEN NOT is_due THEN statement_timestamp() END, CASE WHEN NOT is_due THEN '[]'::jsonb END
    FROM (
        SELECT *, has_handlers OR COALESCE((
            SELECT handlers <> '[]' OR sequence_path <> '' FROM webhooks_source WHERE id = message.source_id
        ), true) AS is_due
        FROM (VALUES {{}}) AS message ({_NAMES}, has_handlers)
    ) AS candidate
    ON CONFLICT (source_id, message_id) WHERE NOT may_repeat DO NOTHING
    RETURNING id, due_at IS NOT NULL
"""  # noqa: S608 - the names are those above

_FIND = """
    SELECT source_id, message_id, id, sha256 FROM webhooks_receipt
    WHERE (source_id, message_id) IN (SELECT * FROM unnest(%(sources)s::uuid[], %(ids)s::text[])) AND NOT may_repeat
"""

# Index: receipt_message_id_unique.
_FREE = """
    UPDATE webhooks_receipt AS receipt SET may_repeat = true
    FROM unnest(%(sources)s::uuid[], %(ids)s::text[], %(seconds)s::float8[]) AS given (source_id, message_id, seconds)
    WHERE receipt.source_id = given.source_id AND receipt.message_id = given.message_id AND NOT receipt.may_repeat
        AND receipt.received_at < statement_timestamp() - make_interval(secs => given.seconds)
    RETURNING receipt.source_id, receipt.message_id
"""


@lru_cache(maxsize=128)
def _statement(rows: int) -> bytes:
    """Return the statement for this many messages, with PostgreSQL's numbered parameters."""
    width = len(_TYPES)
    parameters = [
        ", ".join(f"${row * width + column}::{kind}" for column, kind in enumerate(_TYPES, 1)) for row in range(rows)
    ]
    return _INSERT.format(", ".join(f"({row})" for row in parameters)).encode()


def _values(message: VerifiedMessage) -> tuple[Any, ...]:
    """Return the values in the order of the columns, each always of one type, so that there is one plan."""
    labels, body = message.labels, message.body
    return (
        *(message.id, message.source_id, labels.message_id, labels.event_type, labels.order_key),
        *(message.content_type, orjson.dumps(message.headers).decode()),
        *(body.body or b"", body.key, body.size, body.sha256),
        *(message.secret_id or _NO_SECRET, message.may_repeat, message.has_handlers),
    )


group_commit: GroupCommit[VerifiedMessage, InsertResult] = GroupCommit(
    lambda messages, _after_commit: insert_receipts(messages),
    items="receipts",
    threads=1,
    max_group=MAX_GROUP,
    owner_of=lambda message: message.owner,
)
