"""Find endpoints whose circuit breaker is open."""

from delivery.alerts.conditions.endpoint_failing import HAS_FAILING_LANES
from delivery.alerts.conditions.of_endpoint import ENDPOINT, check_endpoint, conditions_on, finding
from delivery.models import Lane
from subscriptions.models import Endpoint
from webhooks.kit.conditions.condition import Condition, Finding, Question, ago


def find(question: Question) -> list[Finding]:
    """Return the active endpoints whose breaker is open or half-open. Index: lane_failing."""
    rows = Lane.objects.filter(
        failing_since__isnull=False,
        open_count__gt=0,
        endpoint__state=Endpoint.State.ACTIVE,
        **conditions_on(question),
    ).select_related("endpoint__http", "endpoint__destination")
    found = []
    for lane in rows.order_by("failing_since")[: question.limit]:
        since = lane.failing_since or question.now
        text = f"The circuit breaker is open; the endpoint has failed for {ago(since, question.now)}."
        found.append(finding(lane.endpoint, text, since=since, value=lane.open_count))
    return found


CONDITION = Condition(
    "circuit_open",
    "Circuit breaker open",
    "An endpoint keeps failing, so that one attempt at a time probes it, and the rest waits.",
    find,
    (ENDPOINT,),
    minutes=1,
    check=check_endpoint,
    may_hold=HAS_FAILING_LANES,
)
