"""Find endpoints that the platform has disabled."""

from delivery.alerts.conditions.of_endpoint import ENDPOINT, check_endpoint, conditions_on, finding
from subscriptions.endpoints.state import FOR_FAILURES
from subscriptions.models import Endpoint
from webhooks.kit.conditions.condition import Condition, Finding, Question

REASONS: dict[str, str] = {
    Endpoint.DisabledReason.RESPONDED_410: "it responded 410 Gone",
    Endpoint.DisabledReason.FAILING: "its attempts have failed for days",
}
HAS_DISABLED = """EXISTS (SELECT FROM subscriptions_endpoint WHERE state = 'disabled' AND deleted_at IS NULL)"""


def find(question: Question) -> list[Finding]:
    """Return the endpoints that are disabled for their failures. Index: endpoint_disabled."""
    rows = Endpoint.objects.filter(state=Endpoint.State.DISABLED, disabled_reason__in=FOR_FAILURES, deleted_at=None)
    chosen = {name.removeprefix("endpoint__"): value for name, value in conditions_on(question).items()}
    rows = rows.filter(**chosen).select_related("http", "destination").order_by("state_changed_at")
    return [
        finding(it, f"The endpoint is disabled, because {REASONS[it.disabled_reason]}.", since=it.state_changed_at)
        for it in rows[: question.limit]
    ]


CONDITION = Condition(
    "endpoint_disabled",
    "Endpoint disabled",
    "The platform has disabled an endpoint, because it failed for days or responded 410 Gone.",
    find,
    (ENDPOINT,),
    every=15.0,
    check=check_endpoint,
    may_hold=HAS_DISABLED,
)
