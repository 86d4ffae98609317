"""Read what waits for the platform, a tenant or an endpoint, as last measured (``figures.measure``)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from delivery.models import PLATFORM, Backlog
from delivery.sending.attempt_stats import sum_by_kind


@dataclass(frozen=True, slots=True)
class Waiting:
    """Count what waits.

    ``due``: pending deliveries that are due, of active endpoints; the oldest since ``oldest_due_at``.

    ``measured_at``: None before the first measurement. ``causes``: open dead letters by cause.
    """

    measured_at: datetime | None
    pending: int = 0
    due: int = 0
    oldest_due_at: datetime | None = None
    open_dead_letters: int = 0
    causes: Mapping[str, int] = field(default_factory=dict)


def waiting(scope_id: UUID) -> Waiting:
    """Return what waits for a scope. The table has a row for each endpoint for which something does, and one of all."""
    rows = list(Backlog.objects.filter(Q(scope_id__in=(PLATFORM, scope_id)) | Q(tenant_id=scope_id)))
    measured_at = next((it.measured_at for it in rows if it.scope_id == PLATFORM), None)
    return _sum([it for it in rows if scope_id in (it.scope_id, it.tenant_id)], measured_at)


def _sum(rows: Sequence[Backlog], measured_at: datetime | None) -> Waiting:
    return Waiting(
        measured_at,
        sum(it.pending for it in rows),
        sum(it.due for it in rows),
        min((it.oldest_due_at for it in rows if it.oldest_due_at), default=None),
        sum(it.open_dead_letters for it in rows),
        sum_by_kind(it.causes for it in rows),
    )
