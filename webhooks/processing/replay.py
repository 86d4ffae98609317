"""Bring receipts back to their handlers: those at rest only, each once however often one clicks, a slice at a time."""

from dataclasses import dataclass

from django.db.models import QuerySet

from webhooks.kit import notify
from webhooks.models import Receipt
from webhooks.processing.receipts import AT_REST, revive

SLICE = 500
MOST = 10_000  # a call, so that no request takes minutes: call again for more


@dataclass(frozen=True, slots=True)
class Replayed:
    """What one call did: how many it made due, and how many younger ones of these are still at rest (``MOST`` at most:
    counting is to be cheap)."""

    replayed: int
    left: int


def replay(receipts: QuerySet[Receipt]) -> Replayed:
    """Make the oldest of these receipts that are at rest, ``MOST`` at most, due again with their whole plan before
    them. Those that are due already are left alone."""
    at_rest = receipts.filter(AT_REST)
    ids = list(at_rest.order_by("id").values_list("id", flat=True)[:MOST])
    revived = sum(revive(ids[start : start + SLICE]) for start in range(0, len(ids), SLICE))
    if revived:
        notify.ring()
    return Replayed(revived, preview(at_rest.filter(id__gt=ids[-1])) if len(ids) == MOST else 0)


def preview(receipts: QuerySet[Receipt]) -> int:
    """How many of these ``replay`` would make due: ``MOST`` at most, so that counting is cheap."""
    return receipts.filter(AT_REST).order_by()[:MOST].count()
