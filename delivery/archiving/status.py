"""Keep how archiving stands: whether the storage can be written, and since when the oldest events wait for it.

Each run of retention writes it, once a minute. Metrics and the alert condition ``platform_archive`` read it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from delivery import metrics
from delivery.archiving.hours import full_hour
from delivery.models import ArchiveStatus
from delivery.sql.archiving.rows import oldest_complete
from webhooks.wire.ids import first_id_at, moment_of

MAX_LOOKED_AT = 2_000  # oldest events of a tenant that are looked at; most of them may be archived
HOUR = timedelta(hours=1)


def record_run(now: datetime, error: Exception | None, waiting: Mapping[UUID, timedelta]) -> None:
    """Store how a run of retention ended.

    ``error``: why the storage could not be written. ``waiting``: the tenants whose events may wait, each with its
    retention; none after a run that archived all.
    """
    before = ArchiveStatus.objects.first()
    failing_since = None
    if error is not None:
        metrics.archive_not_written()
        failing_since = (before.failing_since if before else None) or now
    ArchiveStatus.objects.update_or_create(
        pk=1,
        defaults={
            "ran_at": now,
            "failing_since": failing_since,
            "error": "" if error is None else str(error),
            "due_since": _due_since(now, waiting) if waiting else None,
        },
    )


def forget() -> None:
    """Delete the status, where no archive is set up any more."""
    ArchiveStatus.objects.all().delete()


def _due_since(now: datetime, waiting: Mapping[UUID, timedelta]) -> datetime | None:
    """Return since when the events that wait have been due for the archive: since their hour was past the retention."""
    cutoffs = {tenant: now - retention for tenant, retention in waiting.items()}
    befores = [first_id_at(full_hour(it)) for it in cutoffs.values()]
    oldest = oldest_complete(cutoffs, befores, MAX_LOOKED_AT)
    due = [full_hour(moment_of(event)) + HOUR + waiting[tenant] for tenant, event in oldest.items()]
    return min(due, default=None)
