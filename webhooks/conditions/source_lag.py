"""Find sources that are read too slowly."""

from datetime import timedelta

from django.db.models import Q

from webhooks.conditions.of_source import SOURCE, check_source, finding, partitions_of
from webhooks.kit.conditions.condition import Condition, Finding, Question
from webhooks.kit.jobs.duration import duration
from webhooks.kit.kinds.setting import Setting

RECORDS = Setting(
    "above_records",
    "Above (records)",
    "Records of a partition that may be unread.",
    type="number",
    default=10_000,
    minimum=0,
    maximum=1_000_000_000,
    example="10000",
)
SECONDS = Setting(
    "above_seconds",
    "Above (seconds)",
    "Age in seconds that the oldest unread record may have.",
    type="number",
    default=300,
    minimum=1,
    maximum=2_592_000,
    example="300",
)
HAS_LAG = "EXISTS (SELECT FROM webhooks_sourcepartition WHERE lag_records > 0 OR lag_seconds > 0)"


def find(question: Question) -> list[Finding]:
    """Return the sources with a partition that is too far behind, the worst of each."""
    records, seconds = question.settings["above_records"], question.settings["above_seconds"]
    rows = partitions_of(question).filter(Q(lag_records__gt=records) | Q(lag_seconds__gt=seconds))
    found: dict[str, Finding] = {}
    for it in rows.order_by("source", "-lag_seconds", "-lag_records")[: question.limit]:
        parts = [
            f"{it.lag_records:,} records are unread" if it.lag_records is not None else "",
            f"the oldest is {duration(timedelta(seconds=it.lag_seconds))} old" if it.lag_seconds is not None else "",
        ]
        place = f"Partition {it.name}: " if it.name else ""
        text = f"{place}{', '.join(part for part in parts if part)}."
        value = it.lag_seconds if it.lag_seconds is not None else it.lag_records
        found.setdefault(it.source.public_id, finding(it.source, text[:1].upper() + text[1:], value=value))
    return list(found.values())


CONDITION = Condition(
    "source_lag",
    "Source behind",
    "Records of a source are unread, or wait for too long.",
    find,
    (RECORDS, SECONDS, SOURCE),
    every=15.0,
    minutes=5,
    check=check_source,
    may_hold=HAS_LAG,
)
