"""Find endpoints at which no attempt succeeds."""

from datetime import datetime

from django.db.models import Q

from delivery.alerts.conditions.hourly import past_hours
from delivery.alerts.conditions.of_endpoint import ENDPOINT, check_endpoint, conditions_on, finding
from delivery.models import Lane
from subscriptions.models import Endpoint
from webhooks.kit.conditions.condition import Condition, Finding, PastFinding, Question, ago

MIN_FAILURES = 2  # in a row: one failed attempt is no outage
HAS_FAILING_LANES = "EXISTS (SELECT FROM delivery_lane WHERE failing_since IS NOT NULL)"  # index: lane_failing


def find(question: Question) -> list[Finding]:
    """Return the active endpoints that fail, since the first failure in a row. Index: lane_failing."""
    rows = Lane.objects.filter(
        Q(open_count__gt=0) | Q(failures__gte=MIN_FAILURES),
        failing_since__isnull=False,
        endpoint__state=Endpoint.State.ACTIVE,
        **conditions_on(question),
    ).select_related("endpoint__http", "endpoint__destination")
    found = []
    for lane in rows.order_by("failing_since")[: question.limit]:
        since = lane.failing_since or question.now
        text = f"No attempt has succeeded for {ago(since, question.now)} ({lane.failures:,} failures in a row)."
        found.append(finding(lane.endpoint, text, since=since, value=lane.failures))
    return found


def past(question: Question, begins_at: datetime, ends_at: datetime) -> list[PastFinding]:
    """Return the endpoints and hours with attempts, none of which the endpoint accepted or rejected."""
    return past_hours(question, begins_at, ends_at, lambda it: it.attempts > 1 and not it.delivered + it.rejected)


CONDITION = Condition(
    "endpoint_failing",
    "Endpoint fails",
    "No attempt to an endpoint succeeds: it responds with 408, 429 or 5xx, or not at all.",
    find,
    (ENDPOINT,),
    minutes=5,
    past=past,
    check=check_endpoint,
    may_hold=HAS_FAILING_LANES,
)
