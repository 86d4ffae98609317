"""Find endpoints with a delivery that has been due for long."""

from delivery.alerts.conditions.of_endpoint import ENDPOINT, check_endpoint, endpoint_of, finding
from delivery.sql.load.lanes_behind import HAS_DUE_LANES, find_lanes_behind
from subscriptions.models import Endpoint
from webhooks.kit.conditions.condition import Condition, Finding, Question, ago
from webhooks.kit.kinds.setting import Setting

MINUTES = Setting(
    "minutes",
    "Minutes",
    "Minutes that a delivery may be due and not sent, for whatever reason.",
    type="number",
    default=15,
    minimum=1,
    maximum=10_080,
    example="15",
)


def find(question: Question) -> list[Finding]:
    """Return the active endpoints whose oldest due delivery is older than allowed. Indexes: lane_due, delivery_due."""
    endpoint = endpoint_of(question)
    if endpoint is None and question.settings.get(ENDPOINT.name):
        return []
    seconds = 60.0 * question.settings["minutes"]
    only = endpoint.pk if endpoint else None
    rows = {it.endpoint_id: it for it in find_lanes_behind(seconds, question.limit, only, question.tenant_id)}
    endpoints = Endpoint.objects.filter(pk__in=rows, deleted_at=None).select_related("http", "destination")
    found = []
    for each in endpoints:
        row = rows[each.pk]
        text = f"The oldest delivery that is due has waited for {ago(row.due_since, question.now)}."
        found.append(finding(each, text, since=row.due_since, value=round(row.seconds)))
    return sorted(found, key=lambda it: it.since or question.now)


CONDITION = Condition(
    "oldest_due",
    "Deliveries late",
    "A delivery of an active endpoint has been due for long: behind an open circuit breaker, a rate limit, or because "
    "the platform is behind.",
    find,
    (MINUTES, ENDPOINT),
    every=15.0,
    check=check_endpoint,
    may_hold=HAS_DUE_LANES,
)
