"""Find that no event of a type was published for some time."""

from delivery.sql.figures.usage import last_published
from subscriptions.models import Tenant
from webhooks.kit.conditions.condition import Condition, Finding, Question, ago
from webhooks.kit.kinds.setting import Setting

EVENT_TYPE = Setting(
    "event_type",
    "Event type",
    "Type of the events that should come, `order.*` for all types below `order`, or `*` for any event.",
    is_required=True,
    max_length=256,
    example="order.paid",
)
MINUTES = Setting(
    "minutes",
    "Minutes",
    "Minutes without such an event.",
    type="number",
    default=60,
    minimum=1,
    maximum=10_080,
    example="60",
)


def find(question: Question) -> list[Finding]:
    """Return one finding if no event was published for so long, counted from when the rule was switched on."""
    event_type, limit = question.settings["event_type"], question.minutes_ago("minutes")
    if question.since > limit:
        return []
    latest = last_published(question.tenant_id, event_type, limit)
    if latest is not None and latest > limit:
        return []
    last = f"; the latest came {ago(latest, question.now)} ago" if latest is not None else ""
    message = f"No event of the type {event_type} for more than {question.settings['minutes']} minutes{last}."
    name, about = "All tenants", None
    if question.tenant_id is not None:
        about = Tenant.objects.get(pk=question.tenant_id)
        name = about.name
    subject = about.public_id if about else "all"
    return [
        Finding(
            "event_type",
            f"{subject}/{event_type}"[:256],
            f"{event_type} of {name}"[:256],
            message,
            question.tenant_id,
            since=latest,
        )
    ]


CONDITION = Condition(
    "events_silent",
    "No events",
    "No event of a type was published for some time, though some are expected.",
    find,
    (EVENT_TYPE, MINUTES),
    every=15.0,
)
