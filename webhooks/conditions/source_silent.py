"""Find sources that received nothing for some time."""

from datetime import datetime, timedelta

from webhooks.conditions.of_source import MAX_SOURCES, SOURCE, check_source, finding, sources_of
from webhooks.kit.conditions.condition import HOUR, Condition, Finding, PastFinding, Question, ago
from webhooks.kit.kinds.setting import Setting
from webhooks.models import Receipt, Source, SourceHour

MINUTES = Setting(
    "minutes",
    "Minutes",
    "Minutes without a message.",
    type="number",
    default=60,
    minimum=1,
    maximum=10_080,
    example="60",
)


def find(question: Question) -> list[Finding]:
    """Return the sources that received nothing for so long, counted from when the rule was switched on.

    One look-up for each source. Index: receipt_source.
    """
    limit = question.minutes_ago(MINUTES.name)
    if question.since > limit:
        return []
    found = []
    for source in sources_of(question).filter(paused_at=None, created_at__lte=limit).order_by("id")[:MAX_SOURCES]:
        latest = _latest(source)
        if latest is None or latest <= limit:
            last = f"; the latest came {ago(latest, question.now)} ago" if latest is not None else ""
            text = f"No message for more than {question.settings[MINUTES.name]} minutes{last}."
            found.append(finding(source, text, since=latest))
    return found[: question.limit]


def _latest(source: Source) -> datetime | None:
    rows = Receipt.objects.filter(source=source).order_by("-id")
    return rows.values_list("received_at", flat=True).first()


def past(question: Question, begins_at: datetime, ends_at: datetime) -> list[PastFinding]:
    """Return the sources and hours without a message; a shorter time is not seen in hourly counts."""
    rows = SourceHour.objects.filter(starts_at__gte=begins_at, starts_at__lt=ends_at, received__gt=0)
    heard = set(rows.values_list("source", "starts_at"))
    silent, hours = [], int((ends_at - begins_at) / HOUR)
    for source in sources_of(question).filter(paused_at=None, created_at__lt=begins_at).order_by("id")[:MAX_SOURCES]:
        name = source.name or source.public_id
        moments = [begins_at + timedelta(hours=number) for number in range(hours)]
        silent += [PastFinding(source.public_id, name, it) for it in moments if (source.pk, it) not in heard]
    return silent


CONDITION = Condition(
    "source_silent",
    "Source silent",
    "A source received no message for some time, though some are expected.",
    find,
    (MINUTES, SOURCE),
    every=15.0,
    past=past,
    check=check_source,
)
