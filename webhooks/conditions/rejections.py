"""Find sources that reject many requests."""

from datetime import datetime

from django.db.models import Sum

from webhooks.conditions.of_source import SOURCE, check_source, finding, past_of_hours, sources_of
from webhooks.kit.conditions.condition import HOUR, Condition, Finding, PastFinding, Question, above, hours
from webhooks.models import SourceHour


def find(question: Question) -> list[Finding]:
    """Return the sources that rejected more than allowed in this hour and those before. Index: that of the hours."""
    allowed, since = question.settings["above"], question.hour - question.settings["hours"] * HOUR
    rows = SourceHour.objects.filter(starts_at__gte=since, source__in=sources_of(question))
    sums = rows.order_by().values("source").annotate(number=Sum("rejected")).filter(number__gt=allowed)
    counts = {it["source"]: it["number"] for it in sums[: question.limit]}
    return [
        finding(
            source,
            f"{counts[source.pk]:,} requests were rejected since {since:%H:%M} UTC; the limit is {allowed:,}.",
            value=counts[source.pk],
        )
        for source in sources_of(question).filter(pk__in=counts).order_by("id")
    ]


def past(question: Question, begins_at: datetime, ends_at: datetime) -> list[PastFinding]:
    """Return the sources and hours with more rejections than allowed, each hour by itself."""
    return past_of_hours(question, begins_at, ends_at, "rejected")


CONDITION = Condition(
    "rejections",
    "Requests rejected",
    "A source rejects many requests, as after a secret was changed on one side only.",
    find,
    (above(50, "Rejections that are allowed."), hours(1, "Full hours to look at besides the current one."), SOURCE),
    every=30.0,
    past=past,
    check=check_source,
)
