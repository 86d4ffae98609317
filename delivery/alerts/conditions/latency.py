"""Find endpoints that respond slowly."""

from datetime import datetime

from delivery.alerts.conditions.hourly import past_hours, recent_totals
from delivery.alerts.conditions.of_endpoint import ENDPOINT, check_endpoint, finding
from delivery.alerts.conditions.success_rate import MIN_ATTEMPTS
from delivery.sending.attempt_stats import StatsSummary, percentile
from webhooks.kit.conditions.condition import Condition, Finding, PastFinding, Question, hours
from webhooks.kit.kinds.setting import Setting

PART = 0.95
ABOVE = Setting(
    "above_ms",
    "Above (ms)",
    "Milliseconds within which 95 % of the attempts have to end.",
    type="number",
    default=5_000,
    minimum=1,
    maximum=600_000,
    example="5000",
)


def find(question: Question) -> list[Finding]:
    """Return the endpoints whose 95th percentile is too high. Index: that of hourly stats."""
    found = []
    for endpoint, total in recent_totals(question, with_latencies=True):
        if _is_slow(question, total):
            slowest = percentile(total.latencies, PART) or 0
            text = (
                f"95 % of {total.attempts:,} attempts ended within {slowest:,} ms since {total.begins_at:%H:%M} UTC; "
                f"the limit is {question.settings['above_ms']:,} ms."
            )
            found.append(finding(endpoint, text, value=slowest))
    return found[: question.limit]


def past(question: Question, begins_at: datetime, ends_at: datetime) -> list[PastFinding]:
    """Return the endpoints and hours in which they were too slow, each hour by itself."""
    return past_hours(question, begins_at, ends_at, lambda it: _is_slow(question, it), with_latencies=True)


def _is_slow(question: Question, total: StatsSummary) -> bool:
    settings = question.settings
    if total.attempts < settings["min_attempts"]:
        return False
    return (percentile(total.latencies, PART) or 0) > int(settings["above_ms"])


CONDITION = Condition(
    "latency",
    "Endpoint slow",
    "The 95th percentile of the duration of an endpoint's attempts is too high, counted by full hours.",
    find,
    (ABOVE, hours(1, "Full hours to look at besides the current one."), MIN_ATTEMPTS, ENDPOINT),
    every=30.0,
    past=past,
    check=check_endpoint,
)
