"""Sum up how reading sources goes: one state for all partitions of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Min, Q, Sum

from webhooks.models import Source, SourcePartition
from webhooks.sources.kinds.registry import HTTP

READING, PAUSED, FAILING, STARTING = "reading", "paused", "failing", "starting"
STATES = [
    (READING, "Is read"),
    (PAUSED, "Paused"),
    (FAILING, "The latest attempt to read failed"),
    (STARTING, "Was not read yet"),
]


@dataclass(frozen=True, slots=True)
class Reading:
    """How reading a source goes; ``lag`` is None where it is not known."""

    state: str
    failing_since: datetime | None = None
    last_error: str = ""
    error_setting: str = ""
    lag_records: int | None = None
    lag_seconds: float | None = None
    lag_bytes: int | None = None
    warning: str = ""
    last_record_at: datetime | None = None
    records: int = 0
    partitions: int = 0
    failing_partitions: int = 0


def readings_of(sources: Sequence[Source]) -> dict[UUID, Reading]:
    """Return how reading these sources goes, by id; those that senders post to are left out."""
    read = {it.id: it for it in sources if it.kind != HTTP}
    if not read:
        return {}
    sums = {row["source_id"]: row for row in _sums(list(read))}
    errors = _errors([id for id, row in sums.items() if row["failing_partitions"]])
    return {id: _reading(source, sums.get(id), errors.get(id)) for id, source in read.items()}


def _sums(ids: list[UUID]) -> Any:
    is_failing = Q(failing_since__isnull=False)
    return (
        SourcePartition.objects.filter(source__in=ids)
        .values("source_id")
        .annotate(
            failing_partitions=Count("id", filter=is_failing),  # before its column is hidden by the next name
            failing_since=Min("failing_since"),
            lag_records=Sum("lag_records"),
            lag_seconds=Max("lag_seconds"),
            lag_bytes=Sum("lag_bytes"),
            warning=Max("warning"),
            last_record_at=Max("last_record_at"),
            last_read_at=Max("last_read_at"),
            records=Sum("records"),
            partitions=Count("id", filter=~Q(name="")),
        )
    )


def _errors(ids: list[UUID]) -> dict[UUID, tuple[str, str]]:
    """Return the error of the partition of each source that has failed for the longest time, and its setting."""
    rows = SourcePartition.objects.filter(source__in=ids, failing_since__isnull=False)
    found = rows.order_by("source_id", "failing_since").distinct("source_id")
    return {row.source_id: (row.last_error, row.error_setting) for row in found}


def _reading(source: Source, sums: dict[str, Any] | None, error: tuple[str, str] | None) -> Reading:
    if sums is None:
        return Reading(PAUSED if source.paused_at else STARTING)
    state = READING
    if source.paused_at is not None:
        state = PAUSED
    elif sums["failing_partitions"]:
        state = FAILING
    elif sums["last_read_at"] is None:
        state = STARTING
    last_error, setting = error or ("", "")
    lags = ("lag_records", "lag_seconds", "lag_bytes", "warning")
    names = ("failing_since", *lags, "last_record_at", "records", "partitions")
    shown = {name: sums[name] for name in names}
    return Reading(
        state, last_error=last_error, error_setting=setting, failing_partitions=sums["failing_partitions"], **shown
    )
