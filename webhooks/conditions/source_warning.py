"""Find sources that endanger the system they are read from, or are endangered by it."""

from django.db.models import Q

from webhooks.conditions.of_source import SOURCE, check_source, finding, partitions_of
from webhooks.kit.conditions.condition import Condition, Finding, Question
from webhooks.kit.kinds.setting import Setting

BYTES = Setting(
    "above_mib",
    "Above (MiB)",
    "Mebibytes that the other system may keep for the reader, such as the WAL of PostgreSQL.",
    type="number",
    default=1_024,
    minimum=1,
    maximum=10_000_000,
    example="1024",
)
MIB = 1024**2
HAS_WARNING = "EXISTS (SELECT FROM webhooks_sourcepartition WHERE warning <> '' OR lag_bytes > 0)"


def find(question: Question) -> list[Finding]:
    """Return the sources with a warning of their reader, or for which the other system keeps too much."""
    limit = question.settings["above_mib"]
    rows = partitions_of(question).filter(~Q(warning="") | Q(lag_bytes__gt=limit * MIB))
    found: dict[str, Finding] = {}
    for it in rows.order_by("source", "-lag_bytes")[: question.limit]:
        kept = f"The other system keeps {(it.lag_bytes or 0) / MIB:,.0f} MiB for it; the limit is {limit:,} MiB."
        found.setdefault(it.source.public_id, finding(it.source, it.warning[:1000] or kept, value=it.lag_bytes))
    return list(found.values())


CONDITION = Condition(
    "source_warning",
    "Source endangers the other system",
    "A source holds back what the other system has to keep for it, such as WAL, or its position is about to be lost.",
    find,
    (BYTES, SOURCE),
    every=15.0,
    check=check_source,
    may_hold=HAS_WARNING,
)
