"""Replay receipts: make settled ones due again, a few at once, or many at a rate in a job.

The job is a row, a ``ReceiptReplay``; the REST API and the admin only create it. Each call of ``run_slices``, from any
process, continues all running replays (``kit.jobs``), in turns among tenants.

A slice walks over the sources, and within a source over its receipts from the oldest on: of dead receipts the index
has only those, so a slice costs the same whatever was replayed before it, and whatever others have. A receipt that was
settled after the replay was requested is left alone: two replays requested together run it once.
"""

import time
from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import BooleanField, Case, Count, Q, QuerySet, Value, When
from django.db.models.functions import Now
from django.utils import timezone

from webhooks import telemetry
from webhooks.kit.fair.worker_places import slice_place
from webhooks.kit.jobs.sliced_jobs import CANCELLED, RUNNING, JobKind, SliceResult, cancel
from webhooks.kit.jobs.turns import Turns
from webhooks.kit.sql import database_now
from webhooks.models import Receipt, ReceiptReplay, Source
from webhooks.processing.notify import receipt_workers, replay_starter
from webhooks.processing.receipt_filter import ReceiptFilter
from webhooks.processing.receipts import SETTLED, retry
from webhooks.wire.ids import public

__all__ = [
    "DEFAULT_RATE",
    "HAS_RUNNING",
    "MAX_RATE",
    "ReceiptCount",
    "ReplayedStates",
    "cancel",
    "cancel_all_of",
    "preview",
    "process_now",
    "replay_now",
    "run_slices",
    "start",
    "states_of",
]

SLICE = 500  # receipts in one transaction
PAGE = 2_000  # receipts that one slice looks at
MAX_SOURCES = 200  # sources that one slice looks at
MAX_ROWS = 100_000  # receipts that a count looks at; beyond them it is a lower bound
RUN_SECONDS = 5.0  # one run of the task; if work is left, the next continues with the next tenant
DEFAULT_RATE, MAX_RATE = 100, 10_000  # receipts per second
HAS_RUNNING = f"EXISTS (SELECT FROM webhooks_receiptreplay WHERE state = '{RUNNING}')"  # reader: the schedule


class ReceiptCount(NamedTuple):
    """A number of receipts. ``is_lower_bound``: counting stopped at MAX_ROWS."""

    total: int
    is_lower_bound: bool = False


class ReplayedStates(NamedTuple):
    """The receipts that a replay made due, by their state now. One that a later replay made due again counts there."""

    pending: int = 0
    processed: int = 0
    dead: int = 0
    is_lower_bound: bool = False


def process_now(receipt: Receipt) -> bool:
    """Make a receipt that waits for a retry due now; return False if it is settled, and needs a replay."""
    rows = Receipt.objects.filter(id=receipt.id).exclude(SETTLED)
    if rows.filter(claim_token=None, due_at__gt=Now()).update(due_at=Now()):
        receipt_workers.notify()
    return rows.exists()


def replay_now(receipts: Collection[Receipt]) -> int:
    """Make the settled ones of a few receipts due again with their whole retry plan; return their number."""
    replayed = retry([receipt.id for receipt in receipts])
    if replayed:
        receipt_workers.notify()
    return replayed


def preview(tenant_id: UUID | None, selected: ReceiptFilter) -> ReceiptCount:
    """Count the receipts that a replay would make due now, of a tenant or (None) of all."""
    rows = Receipt.objects.filter(SETTLED, selected.indexed())
    if tenant_id is not None or selected.limits_sources:
        rows = rows.filter(source__in=_sources(tenant_id, selected).values("id"))
    matches = Case(When(SETTLED & selected.condition(), then=True), default=Value(False), output_field=BooleanField())
    counted = rows.order_by().annotate(matches=matches)[: MAX_ROWS + 1]
    seen = counted.aggregate(all=Count("id"), matching=Count("id", filter=Q(matches=True)))
    return ReceiptCount(min(seen["matching"], MAX_ROWS), seen["all"] > MAX_ROWS)


def start(tenant_id: UUID | None, selected: ReceiptFilter, *, rate: int = DEFAULT_RATE, by: str) -> ReceiptReplay:
    """Create a replay of what matches now, at up to ``rate`` receipts per second. ``by``: who requested it."""
    counted = preview(tenant_id, selected)
    row = ReceiptReplay.objects.create(
        tenant_id=tenant_id,
        filter=selected.as_json(),
        rate=rate,
        requested_by=by[:256],
        until_at=database_now(),
        total=counted.total,
        is_lower_bound=counted.is_lower_bound,
    )
    transaction.on_commit(replay_starter.notify)
    telemetry.log_replay_started(row.public_id, row.requested_by, row.total, row.rate)
    return row


def states_of(row: ReceiptReplay) -> ReplayedStates:
    """Return what became of the receipts of a replay."""
    first = Receipt.objects.filter(replay_id=row.id).order_by()[: MAX_ROWS + 1]
    pending, dead = Q(due_at__isnull=False), Q(due_at__isnull=True, dead_at__isnull=False)
    seen = first.aggregate(all=Count("id"), pending=Count("id", filter=pending), dead=Count("id", filter=dead))
    processed = seen["all"] - seen["pending"] - seen["dead"]
    return ReplayedStates(seen["pending"], processed, seen["dead"], seen["all"] > MAX_ROWS)


def cancel_all_of(*, tenant_id: UUID, **_: Any) -> None:
    """Stop the running replays of a tenant, in the transaction that deletes it (receiver of ``tenant_deleted``)."""
    rows = ReceiptReplay.objects.filter(tenant_id=tenant_id, state=RUNNING)
    rows.update(state=CANCELLED, finished_at=timezone.now())


def run_slices(*, seconds: float = RUN_SECONDS) -> None:
    """Continue the running replays as far as their rates allow now, for ``seconds`` at most.

    Returns at once if all processes of this worker that may work in slices do so.
    """
    with slice_place() as is_free:
        is_late = is_free and _turns.run_round(time.monotonic() + seconds)
    if is_late:
        replay_starter.notify()


def _run_slice(row: ReceiptReplay, budget: int) -> SliceResult:
    """Make the next receipts due, at most ``budget``."""
    selected = ReceiptFilter(row.filter)
    page, has_more = _next_page(row, selected)
    rows = Receipt.objects.filter(SETTLED, selected.condition(), _settled_until(row.until_at), id__in=page)
    locked = rows.order_by("id").select_for_update(skip_locked=True)  # against another replay's slice
    found = list(locked.values_list("id", flat=True)[:budget])
    if page:
        row.cursor = found[-1] if len(found) == budget else page[-1]
    replayed = retry(found, row.id) if found else 0
    row.replayed += replayed
    return SliceResult(replayed, has_more, receipt_workers.notify if replayed else lambda: None)


def _next_page(row: ReceiptReplay, selected: ReceiptFilter) -> tuple[list[UUID], bool]:
    """Move the cursor to the next source with receipts; return the next ones, and whether more may follow."""
    sources = _sources(row.tenant_id, selected)
    if row.source_cursor is not None:
        sources = sources.filter(id__gte=row.source_cursor)
    keys = list(sources.order_by("id").values_list("id", flat=True)[:MAX_SOURCES])
    for key in keys:
        if key != row.source_cursor:
            row.source_cursor, row.cursor = key, None
        # As a range, so that the index of dead receipts is read, and not the primary key with the receipts of others.
        rows = Receipt.objects.filter(selected.indexed(), source__gte=key, source__lte=key)
        if row.cursor is not None:
            rows = rows.filter(id__gt=row.cursor)
        page = list(rows.order_by("source_id", "id").values_list("id", flat=True)[:PAGE])
        if page:
            return page, True
    return [], len(keys) == MAX_SOURCES


def _sources(tenant_id: UUID | None, selected: ReceiptFilter) -> QuerySet[Source]:
    rows = Source.objects.filter(selected.sources())
    return rows if tenant_id is None else rows.filter(tenant_id=tenant_id)


def _settled_until(moment: datetime) -> Q:
    """Return the condition that a receipt has been settled since this moment at the latest."""
    return Q(dead_at__lte=moment) | Q(dead_at=None, processed_at__lte=moment)


def _failed(key: UUID, error: Exception) -> None:
    telemetry.log_replay_failed(public(ReceiptReplay.prefix, key), error)


KIND: JobKind[ReceiptReplay] = JobKind(
    ReceiptReplay, SLICE, ("source_cursor", "cursor", "replayed"), _run_slice, _failed
)
_turns = Turns(KIND)
