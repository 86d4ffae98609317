"""Find sources that cannot be read."""

from webhooks.conditions.of_source import SOURCE, check_source, finding, partitions_of
from webhooks.kit.conditions.condition import Condition, Finding, Question, ago

HAS_FAILING = "EXISTS (SELECT FROM webhooks_sourcepartition WHERE failing_since IS NOT NULL)"
REASON_LENGTH = 300  # characters


def find(question: Question) -> list[Finding]:
    """Return the sources of which reading fails, since the first failure."""
    found: dict[str, Finding] = {}
    for it in partitions_of(question).filter(failing_since__isnull=False).order_by("failing_since")[: question.limit]:
        since = it.failing_since or question.now
        text = f"Reading has failed for {ago(since, question.now)}: {it.last_error[:REASON_LENGTH]}"
        found.setdefault(it.source.public_id, finding(it.source, text, since=since, value=it.failures))
    return list(found.values())


CONDITION = Condition(
    "source_failing",
    "Source not read",
    "Reading a source fails: the other system is away, or a setting is wrong.",
    find,
    (SOURCE,),
    minutes=5,
    check=check_source,
    may_hold=HAS_FAILING,
)
