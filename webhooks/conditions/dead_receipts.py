"""Count receipts that were given up, by source."""

from datetime import datetime, timedelta
from uuid import UUID

from webhooks.conditions.of_source import MAX_SOURCES, SOURCE, check_source, finding, past_of_hours, sources_of
from webhooks.kit.conditions.condition import Condition, Finding, PastFinding, Question, above
from webhooks.kit.kinds.setting import Setting
from webhooks.models import Receipt, SourceHour

HAS_DEAD = "EXISTS (SELECT FROM webhooks_receipt WHERE dead_at IS NOT NULL)"  # index: receipt_dead
SHOWN = 1_000  # receipts beyond the limit that are counted
MINUTES = Setting(
    "minutes",
    "Minutes",
    "Count only those that were given up in this many minutes; empty: all that are dead.",
    type="number",
    minimum=1,
    maximum=1_440,
    example="15",
)


def find(question: Question) -> list[Finding]:
    """Return the sources with more dead receipts than allowed. Indexes: receipt_dead, receipt_source_dead."""
    allowed, minutes = question.settings["above"], question.settings.get(MINUTES.name)
    rows = Receipt.objects.filter(dead_at__isnull=False)
    if minutes:
        rows = rows.filter(dead_at__gte=question.now - timedelta(minutes=minutes))
    found = []
    with_dead = sources_of(question).filter(pk__in=_sources_with_dead(question, minutes))
    for source in with_dead.order_by("id")[: question.limit]:
        bound = allowed + SHOWN
        count = len(rows.filter(source=source).order_by()[:bound].values_list("pk"))
        if count > allowed:
            number = f"{count:,}" if count < bound else f"At least {bound:,}"
            period = f" in the last {minutes} minutes" if minutes else ""
            text = f"{number} received message{'s' * (count != 1)} given up{period}; the limit is {allowed:,}."
            found.append(finding(source, text, value=count))
    return found


def _sources_with_dead(question: Question, minutes: int | None) -> list[UUID]:
    """Return the sources that gave up receipts: lately by the hourly counts, or at any time."""
    if minutes:
        since = question.hour - timedelta(hours=minutes // 60 + 1)
        hours = SourceHour.objects.filter(starts_at__gte=since, dead__gt=0)
        return list(hours.values_list("source", flat=True).distinct()[:MAX_SOURCES])
    chosen = sources_of(question).order_by("id").values_list("id", flat=True)[:MAX_SOURCES]
    return [pk for pk in chosen if Receipt.objects.filter(source=pk, dead_at__isnull=False).exists()]


def past(question: Question, begins_at: datetime, ends_at: datetime) -> list[PastFinding]:
    """Return the sources and hours with more receipts given up than allowed."""
    return past_of_hours(question, begins_at, ends_at, "dead")


CONDITION = Condition(
    "dead_receipts",
    "Messages given up",
    "More received messages of a source were given up by their handlers than allowed.",
    find,
    (above(0, "Receipts that are allowed."), MINUTES, SOURCE),
    every=15.0,
    past=past,
    check=check_source,
    may_hold=HAS_DEAD,
)
