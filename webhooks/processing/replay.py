"""Replay receipts: make settled ones due again, in batches; a second request for a due receipt changes nothing."""

from dataclasses import dataclass

from django.db.models import QuerySet
from django.db.models.functions import Now

from webhooks.models import Receipt
from webhooks.processing.notify import receipt_workers
from webhooks.processing.receipts import SETTLED, retry

UPDATE_BATCH = 500  # rows per statement
MAX_PER_CALL = 10_000  # receipts; keeps a request short: call again for the remaining ones


def process_now(receipt: Receipt) -> bool:
    """Make a receipt that waits for a retry due now; return False if it is settled, and needs a replay."""
    rows = Receipt.objects.filter(id=receipt.id).exclude(SETTLED)
    if rows.filter(claim_token=None, due_at__gt=Now()).update(due_at=Now()):
        receipt_workers.notify()
    return rows.exists()


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The number of receipts made due, and of newer ones still settled (counted up to ``MAX_PER_CALL``)."""

    replayed: int
    remaining: int


def replay(receipts: QuerySet[Receipt]) -> ReplayResult:
    """Make the oldest settled ones of these receipts due again, up to ``MAX_PER_CALL``, with their whole retry plan."""
    settled = receipts.filter(SETTLED)
    ids = list(settled.order_by("id").values_list("id", flat=True)[:MAX_PER_CALL])
    replayed = sum(retry(ids[start : start + UPDATE_BATCH]) for start in range(0, len(ids), UPDATE_BATCH))
    if replayed:
        receipt_workers.notify()
    return ReplayResult(replayed, count_replayable(settled.filter(id__gt=ids[-1])) if len(ids) == MAX_PER_CALL else 0)


def count_replayable(receipts: QuerySet[Receipt]) -> int:
    """Count the receipts that ``replay`` would make due, up to ``MAX_PER_CALL``."""
    return receipts.filter(SETTLED).order_by()[:MAX_PER_CALL].count()
