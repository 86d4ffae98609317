"""Store fetched records as receipts, in one transaction with the position behind them.

A record goes the way of a message that a sender posts: it is verified if the source's scheme is not ``none``, labelled,
deduplicated by its id, and its handlers are due. Its message id is the record's place, unless the source's
``message_id_path`` names another. One that cannot be read is stored as a dead receipt, with its bytes and the reason;
one that is refused (too large, wrong signature, other media type) is a rejection. Neither holds up the next one.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import UUID

from django.db import transaction

from webhooks.kit import sql
from webhooks.kit.bodies.claim_check import IncomingBody
from webhooks.kit.bodies.message_body import is_plain
from webhooks.kit.native_request import NativeRequest
from webhooks.models import Receipt, Source
from webhooks.processing.notify import receipt_workers
from webhooks.readers.leases import Lease, advance
from webhooks.receiving.insert_receipt import MAX_GROUP, InsertOutcome, VerifiedMessage, insert_receipts
from webhooks.receiving.published_keys import KeysNeeded, key_fetcher
from webhooks.receiving.rejections import record_rejection
from webhooks.receiving.verification import (
    REFUSALS,
    MessageTooLarge,
    begin_verification,
    label_message,
    read_labels,
    status_and_reason,
)
from webhooks.sources import source_counts
from webhooks.sources.kinds.kind import Position, Record, SourceUnavailable
from webhooks.sources.message_labels import MessageLabels, storable_label
from webhooks.sources.snapshot import SourceSnapshot
from webhooks.wire.errors import KeysUnavailable
from webhooks.wire.ids import new_id

MAX_FETCHES = 4  # of key documents for one record
KEYS_SECONDS = 10.0  # for one of them

T = TypeVar("T")

_MARK_DEAD = """
    UPDATE webhooks_receipt AS receipt
    SET due_at = NULL, processed_at = NULL, handled_by = NULL, dead_at = statement_timestamp(),
        cause = %(cause)s::text, last_error = dead.problem
    FROM unnest(%(ids)s::uuid[], %(problems)s::text[]) AS dead (id, problem)
    WHERE receipt.id = ANY(ARRAY[dead.id])
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """Count what became of fetched records."""

    received: int = 0
    duplicates: int = 0
    rejected: int = 0
    dead: int = 0


class _ReadBody:
    """The body of a request that has been read."""

    def __init__(self, length: int) -> None:
        self.length: int | None = length
        self.ends_reliably = True

    def chunks(self) -> AsyncIterator[bytes]:
        """Raise NotImplementedError: the body of a record is complete."""
        raise NotImplementedError

    async def read(self, limit: int) -> bytes:
        """Raise NotImplementedError: the body of a record is complete."""
        raise NotImplementedError


def store(lease: Lease, source: SourceSnapshot, records: Sequence[Record], position: Position) -> Stored:
    """Commit records as receipts together with the position behind them; return what became of them.

    Raises LeaseLost, StorageDown and database errors; then nothing is committed.
    """
    messages: list[VerifiedMessage] = []
    problems: dict[UUID, str] = {}
    rejected = 0
    try:
        for record in records:
            message = _message(source, record)
            if message is None:
                rejected += 1
                continue
            messages.append(message)
            if record.problem:
                problems[message.id] = record.problem.replace("\0", "")
        with transaction.atomic():
            advance(lease, position, len(records))
            new = _insert(messages)
            dead = {id: text for id, text in problems.items() if id in new}
            if dead:
                values = {"ids": list(dead), "problems": list(dead.values()), "cause": Receipt.Cause.UNREADABLE_BODY}
                sql.run(_MARK_DEAD, values)
            stored = Stored(len(new), len(messages) - len(new), rejected, len(dead))
            _count(source, stored, settled=sum(new[id] is InsertOutcome.SETTLED for id in new))
    except BaseException:
        for message in messages:
            message.body.discard()
        raise
    for message in messages:
        if message.id not in new:
            message.body.discard()
    if any(outcome is InsertOutcome.DUE for id, outcome in new.items() if id not in dead):
        receipt_workers.notify()
    return stored


def _insert(messages: Sequence[VerifiedMessage]) -> dict[UUID, InsertOutcome]:
    """Insert messages; return the outcomes of those that are no duplicates, by id."""
    new: dict[UUID, InsertOutcome] = {}
    for start in range(0, len(messages), MAX_GROUP):
        group = messages[start : start + MAX_GROUP]
        results = insert_receipts(group)
        new |= {
            message.id: result.outcome
            for message, result in zip(group, results, strict=True)
            if result.outcome is not InsertOutcome.DUPLICATE
        }
    return new


def _message(source: SourceSnapshot, record: Record) -> VerifiedMessage | None:
    """Verify and label a record; return its row, or None if it is refused, which is recorded.

    Raises StorageDown, and SourceUnavailable if the keys to verify it with cannot be fetched now.
    """
    request, receipt_id = _request(record), new_id()
    incoming: IncomingBody | None = None
    try:
        if len(record.body) > source.max_bytes:
            raise MessageTooLarge(f"Has {len(record.body)} bytes; max_bytes of the source is {source.max_bytes}.")
        verification = _with_keys(lambda: begin_verification(source, request, key_fetcher(source)))
        incoming = IncomingBody(receipt_id, verification.update)
        incoming.add(record.body)
        incoming.flush()
        secret_id = None if record.problem else _with_keys(verification.finish)
        labels = MessageLabels("", "", "") if record.problem or _labels_itself(record, source) else None
        if labels is None and (incoming.is_large or not is_plain(request.headers)):
            labels = read_labels(source, request, incoming)
        body = incoming.store()
    except KeysUnavailable as error:
        raise SourceUnavailable(f"The keys to verify records with cannot be fetched: {error}", "scheme") from error
    except REFUSALS as error:
        if incoming is not None:
            incoming.discard()
        _, reason = status_and_reason(error)
        detail = f"{error or type(error).__doc__} Record {record.id}."
        record_rejection(source, request, reason, detail, size=len(record.body))
        return None
    message = label_message(source, request, receipt_id, body, secret_id, labels)
    return replace(message, labels=_with_labels_of(record, source, message.labels))


def _with_keys(step: Callable[[], T]) -> T:
    """Run a step of the verification, and again after each fetch of keys that it needs. Raises KeysUnavailable."""
    for _ in range(MAX_FETCHES):
        try:
            return step()
        except KeysNeeded as needed:
            needed.fetch.result(KEYS_SECONDS)
    raise KeysUnavailable("They expire faster than they are fetched.")


def _labels_itself(record: Record, source: SourceSnapshot) -> bool:
    """Return whether a record has all its labels, so that none has to be looked for in its content."""
    places = (source.message_id_path, source.event_type_path, source.order_key_path)
    return bool(record.event_type) and not any(places)


def _with_labels_of(record: Record, source: SourceSnapshot, labels: MessageLabels) -> MessageLabels:
    """Return the labels with those of the record, except where the source names a place of its own."""
    if not source.message_id_path and source.dedupe != Source.Dedupe.CONTENT:
        labels = replace(labels, message_id=storable_label(record.id))
    if record.event_type and not source.event_type_path:
        labels = replace(labels, event_type=storable_label(record.event_type))
    if record.order_key and not source.order_key_path:
        labels = replace(labels, order_key=storable_label(record.order_key))
    return labels


def _request(record: Record) -> NativeRequest:
    """Return a record in the form in which messages are verified and labelled."""
    headers = dict(record.headers)
    if record.content_type:
        headers["content-type"] = record.content_type
    return NativeRequest(
        method="POST",
        scheme="https",
        host="",
        path="",
        query_string="",
        headers=headers,
        remote_address="",
        is_proxied=False,
        share=None,
        body=_ReadBody(len(record.body)),
    )


def _count(source: SourceSnapshot, stored: Stored, *, settled: int) -> None:
    numbers = {
        "received": stored.received,
        "duplicates": stored.duplicates,
        "rejected": stored.rejected,
        "dead": stored.dead,
        "processed": settled,
    }
    source_counts.count_committed(source.id, numbers)
