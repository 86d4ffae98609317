"""Bring receipts back to their handlers: those at rest only, each once however often one clicks, a slice at a time."""

from dataclasses import dataclass

from django.db.models import QuerySet

from webhooks.kit import notify
from webhooks.models import Receipt
from webhooks.processing.receipts import SETTLED, retry

UPDATE_BATCH = 500
MAX_PER_CALL = 10_000  # a call, so that no request takes minutes: call again for more


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What one call did: how many it made due, and how many younger ones of these are still at rest (``MOST`` at most:
    counting is to be cheap)."""

    replayed: int
    remaining: int


def replay(receipts: QuerySet[Receipt]) -> ReplayResult:
    """Make the oldest of these receipts that are at rest, ``MOST`` at most, due again with their whole plan before
    them. Those that are due already are left alone."""
    at_rest = receipts.filter(SETTLED)
    ids = list(at_rest.order_by("id").values_list("id", flat=True)[:MAX_PER_CALL])
    revived = sum(retry(ids[start : start + UPDATE_BATCH]) for start in range(0, len(ids), UPDATE_BATCH))
    if revived:
        notify.ring()
    return ReplayResult(revived, count_replayable(at_rest.filter(id__gt=ids[-1])) if len(ids) == MAX_PER_CALL else 0)


def count_replayable(receipts: QuerySet[Receipt]) -> int:
    """How many of these ``replay`` would make due: ``MOST`` at most, so that counting is cheap."""
    return receipts.filter(SETTLED).order_by()[:MAX_PER_CALL].count()
