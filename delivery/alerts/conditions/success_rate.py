"""Find endpoints at which too few attempts deliver."""

from datetime import datetime

from delivery.alerts.conditions.hourly import past_hours, recent_totals
from delivery.alerts.conditions.of_endpoint import ENDPOINT, check_endpoint, finding
from delivery.reading.endpoint_health import percent
from delivery.sending.attempt_stats import StatsSummary
from webhooks.kit.conditions.condition import Condition, Finding, PastFinding, Question, hours
from webhooks.kit.kinds.setting import Setting

BELOW = Setting(
    "below_percent",
    "Below (%)",
    "Part of the attempts that has to deliver, in percent.",
    type="number",
    default=90,
    minimum=1,
    maximum=100,
    example="90",
)
MIN_ATTEMPTS = Setting(
    "min_attempts",
    "Attempts at least",
    "Attempts below which an endpoint is not looked at, as a few say little.",
    type="number",
    default=20,
    minimum=1,
    maximum=1_000_000,
    example="20",
)


def find(question: Question) -> list[Finding]:
    """Return the endpoints whose success rate is too low. Index: that of hourly stats."""
    return [
        finding(endpoint, _message(question, total), value=percent(total.delivered, total.attempts))
        for endpoint, total in recent_totals(question)
        if _is_low(question, total)
    ][: question.limit]


def past(question: Question, begins_at: datetime, ends_at: datetime) -> list[PastFinding]:
    """Return the endpoints and hours in which the rate was too low, each hour by itself."""
    return past_hours(question, begins_at, ends_at, lambda it: _is_low(question, it))


def _is_low(question: Question, total: StatsSummary) -> bool:
    settings = question.settings
    is_enough = total.attempts >= settings["min_attempts"]
    return bool(is_enough and 100 * total.delivered < settings["below_percent"] * total.attempts)


def _message(question: Question, total: StatsSummary) -> str:
    rate = percent(total.delivered, total.attempts)
    return (
        f"{rate} % of {total.attempts:,} attempts succeeded since {total.begins_at:%H:%M} UTC; "
        f"the limit is {question.settings['below_percent']} %."
    )


CONDITION = Condition(
    "success_rate",
    "Success rate low",
    "Too few attempts to an endpoint deliver, counted by full hours.",
    find,
    (BELOW, hours(1, "Full hours to look at besides the current one."), MIN_ATTEMPTS, ENDPOINT),
    every=30.0,
    past=past,
    check=check_endpoint,
)
