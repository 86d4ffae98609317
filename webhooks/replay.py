"""Bring receipts back to their handlers: those at rest only, each once however often one clicks, a slice at a time."""

from django.db.models import QuerySet

from webhooks import wake
from webhooks.models import Receipt
from webhooks.receipts import revive

SLICE = 500
MOST = 10_000  # a call, so that no request takes minutes: call again for more


def replay(receipts: QuerySet[Receipt]) -> int:
    """Make the oldest of these receipts, ``MOST`` at most, due again with their whole plan before them. Those
    that are due already are left alone. Returns how many were made due."""
    ids = list(receipts.order_by("id").values_list("id", flat=True)[:MOST])
    revived = sum(revive(ids[start : start + SLICE]) for start in range(0, len(ids), SLICE))
    if revived:
        wake.ring()
    return revived


def preview(receipts: QuerySet[Receipt]) -> int:
    """How many of these ``replay`` would look at: ``MOST`` at most, so that counting is cheap."""
    return receipts.order_by()[:MOST].count()
