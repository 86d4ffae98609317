"""Choose the sources that a condition looks at, and name sources in findings."""

from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from webhooks.kit.conditions.condition import Finding, PastFinding, Question
from webhooks.kit.kinds.setting import InvalidSettings, Setting
from webhooks.kit.rest.lookup import find
from webhooks.models import Source, SourceHour, SourcePartition

SOURCE = Setting(
    "source",
    "Source",
    "Id or `uid` of the only source to look at; empty: all of them.",
    max_length=256,
    example="billing",
)
MAX_SOURCES = 10_000  # that one evaluation looks at


def check_source(question: Question) -> None:
    """Raise InvalidSettings if the settings name a source that does not exist."""
    if question.settings.get(SOURCE.name) and not sources_of(question).exists():
        raise InvalidSettings({SOURCE.path: "No source with this id."})


def sources_of(question: Question) -> QuerySet[Source]:
    """Return the sources to look at."""
    rows = Source.objects.filter(deleted_at=None)
    if question.tenant_id is not None:
        rows = rows.filter(tenant_id=question.tenant_id)
    ref = question.settings.get(SOURCE.name)
    if not ref:
        return rows
    if question.tenant_id is None and not ref.startswith(f"{Source.prefix}_"):
        return rows.none()  # a uid is unique within a tenant only
    found = find(rows, ref)
    return rows.filter(pk=found.pk if found else UUID(int=0))


def partitions_of(question: Question) -> QuerySet[SourcePartition]:
    """Return the partitions of the sources to look at that are read."""
    return SourcePartition.objects.filter(source__in=sources_of(question), source__paused_at=None).select_related(
        "source"
    )


def past_of_hours(question: Question, begins_at: datetime, ends_at: datetime, column: str) -> list[PastFinding]:
    """Return the sources and hours whose count in a column is above the setting ``above``, each hour by itself."""
    counted = {f"{column}__gt": question.settings["above"]}
    rows = SourceHour.objects.filter(starts_at__gte=begins_at, starts_at__lt=ends_at, **counted)
    known = set(sources_of(question).values_list("pk", flat=True)[:MAX_SOURCES])
    return [
        PastFinding(it.source.public_id, it.source.name or it.source.public_id, it.starts_at)
        for it in rows.select_related("source")
        if it.source_id in known
    ]


def finding(
    source: Source, message: str, *, since: datetime | None = None, value: float | None = None, step: int = 0
) -> Finding:
    """Return a finding about a source."""
    name = (source.name or source.uid or source.public_id)[:256]
    return Finding("source", source.public_id, name, message, source.tenant_id, since, value, step)
