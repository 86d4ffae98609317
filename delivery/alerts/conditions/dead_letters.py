"""Count open dead letters, all of them or those of the last minutes."""

from datetime import timedelta

from delivery.alerts.conditions.of_endpoint import ENDPOINT, check_endpoint, endpoint_of, finding
from delivery.models import DeadLetter
from delivery.reading import queries
from subscriptions.models import Tenant
from webhooks.kit.conditions.condition import Condition, Finding, Question, above
from webhooks.kit.kinds.setting import Setting

HAS_OPEN = "EXISTS (SELECT FROM delivery_deadletter WHERE closed_at IS NULL AND acknowledged_at IS NULL)"
SHOWN = 1_000  # dead letters beyond the limit that are counted
MINUTES = Setting(
    "minutes",
    "Minutes",
    "Count only those of the last so many minutes, to notice that their number grows; empty: all that are open.",
    type="number",
    minimum=1,
    maximum=1_440,
    example="15",
)


def find(question: Question) -> list[Finding]:
    """Return one finding if there are more open dead letters than allowed. Index: dead_letter_open."""
    settings, endpoint = question.settings, endpoint_of(question)
    if endpoint is None and settings.get(ENDPOINT.name):
        return []
    rows = DeadLetter.objects.filter(DeadLetter.OPEN)
    rows = queries.below(question.tenant_id, rows) if endpoint is None else rows.filter(endpoint=endpoint)
    if minutes := settings.get(MINUTES.name):
        rows = rows.filter(id__gte=queries.place(question.now - timedelta(minutes=minutes)))
    bound = settings["above"] + SHOWN
    count = len(rows.order_by()[:bound].values_list("pk"))
    if count <= settings["above"]:
        return []
    number = f"{count:,}" if count < bound else f"At least {bound:,}"
    period = f" in the last {minutes} minutes" if minutes else ""
    message = f"{number} dead letter{'s' * (count != 1)}{period} may be replayed; the limit is {settings['above']:,}."
    if endpoint is not None:
        return [finding(endpoint, message, value=count)]
    if question.tenant_id is None:
        return [Finding("platform", "dead_letters", "All tenants", message, value=count)]
    tenant = Tenant.objects.get(pk=question.tenant_id)
    return [Finding("tenant", tenant.public_id, tenant.name, message, tenant.pk, value=count)]


CONDITION = Condition(
    "dead_letters",
    "Dead letters",
    "More dead letters are open than allowed, or more than allowed were added lately.",
    find,
    (above(0, "Dead letters that are allowed."), MINUTES, ENDPOINT),
    every=15.0,
    check=check_endpoint,
    may_hold=HAS_OPEN,
)
