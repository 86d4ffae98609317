"""Report receipts whose handlers have ended for good, in the transaction that settles them (``kit.results``)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from webhooks.kit.bodies.message_body import is_plain
from webhooks.kit.results import EndedReceipt, receipts_ended
from webhooks.models import Receipt, Source
from webhooks.processing.receipts import ReceiptResult

OPERATIONAL = "waypost."  # prefix of the types of the platform's own events, whose receipts have no results
TRACEBACK_LINES = 20  # of the end of a traceback

Choices = Sequence[Mapping[str, Any]] | None
"""The handlers of the source that were for a receipt; None if that is not known."""


def report_ended(runs: Iterable[tuple[Receipt, ReceiptResult | None, Choices]], settled: set[UUID]) -> None:
    """Report the runs that were settled and ended their receipt, of sources of tenants. Call in their transaction."""
    if not receipts_ended.receivers:
        return
    ended = [it for receipt, result, choices in runs for it in _ended(receipt, result, choices, settled)]
    if ended:
        receipts_ended.send(sender=Receipt, ended=ended)


def _ended(
    receipt: Receipt, result: ReceiptResult | None, choices: Choices, settled: set[UUID]
) -> Iterator[EndedReceipt]:
    if result is None or result.state == "pending" or result.receipt_id not in settled:
        return
    source: Source = receipt.source
    if source.tenant_id is None or result.cause == Receipt.Cause.TENANT_DELETED:
        return
    if receipt.event_type.startswith(OPERATIONAL):
        return
    named = source.handlers if choices is None else choices
    succeeded = not result.cause
    if succeeded and not result.handled_by and not result.skipped:  # no handler was for it
        return
    endpoints = [it.get("on_success" if succeeded else "on_failure") for it in named]
    yield EndedReceipt(
        id=result.receipt_id,
        tenant_id=source.tenant_id,
        source_id=source.id,
        message_id=receipt.message_id,
        event_type=receipt.event_type,
        content_type=receipt.content_type,
        handlers=list(result.handled_by),
        succeeded=succeeded,
        condition=str(result.cause) or result.outcome,
        attempts=receipt.attempts + result.attempts,
        error=result.error,
        traceback="".join(result.traceback.splitlines(keepends=True)[-TRACEBACK_LINES:]),
        received_at=receipt.received_at,
        endpoints=list(dict.fromkeys(it for it in endpoints if it)),
        body=lambda: _body(receipt),
    )


def _body(receipt: Receipt) -> bytes | None:
    """Return the body if it is in the row; None if it is in storage, or compressed."""
    is_small = not receipt.body_key and is_plain(receipt.body_headers())
    return bytes(receipt.body or b"") if is_small else None
