"""Write the messages about alerts: the data of their events, and a title and a text for people. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from delivery.models import Alert, AlertRule
from subscriptions.models import Tenant
from webhooks.wire.ids import public

LISTED = 20  # alerts in one message; it says how many more there are
FIRING, RESOLVED = "waypost.alert.firing", "waypost.alert.resolved"


class Occasion(StrEnum):
    """Name why a message is sent."""

    FIRING = "firing"
    REMINDER = "reminder"
    RESOLVED = "resolved"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Message:
    """A message about alerts of one rule. ``data``: that of the event; ``title`` and ``text`` are for people."""

    occasion: Occasion
    data: dict[str, Any]

    @property
    def event_type(self) -> str:
        """Return the type of the event."""
        return RESOLVED if self.occasion is Occasion.RESOLVED else FIRING

    @property
    def title(self) -> str:
        """Return one line."""
        return str(self.data["title"])

    @property
    def text(self) -> str:
        """Return a line for each alert."""
        return str(self.data["message"])


def message(rule: AlertRule, occasion: Occasion, alerts: Sequence[Alert]) -> Message:
    """Return the message about these alerts, of which the first are listed."""
    listed = [_described(it, occasion) for it in alerts[:LISTED]]
    more = len(alerts) - len(listed)
    lines = [f"{it['subject_name']}: {it['message']}" for it in listed]
    data = {
        "rule": rule.public_id,
        "rule_name": rule.name,
        "condition": rule.condition,
        "severity": rule.severity,
        "occasion": occasion.value,
        "count": len(alerts),
        "alerts": listed,
        "title": _title(rule, occasion, alerts),
        "message": "\n".join([*lines, *([f"and {more:,} more"] if more else [])]),
    }
    return Message(occasion, data)


def _title(rule: AlertRule, occasion: Occasion, alerts: Sequence[Alert]) -> str:
    word = {
        Occasion.FIRING: "Firing",
        Occasion.REMINDER: "Still firing",
        Occasion.RESOLVED: "Resolved",
        Occasion.TEST: "Test",
    }[occasion]
    if len(alerts) == 1:
        return f"{word}: {rule.name}: {alerts[0].subject_name}"
    return f"{word}: {rule.name} ({len(alerts):,})"


def _described(alert: Alert, occasion: Occasion) -> dict[str, Any]:
    about = None if alert.about_tenant_id is None else public(Tenant.prefix, alert.about_tenant_id)
    return {
        "alert": alert.public_id,
        "subject_type": alert.subject_type,
        "subject": alert.subject,
        "subject_name": alert.subject_name,
        "about_tenant": about,
        "since": _text(alert.since),
        "resolved_at": _text(alert.resolved_at) if alert.resolved_at else None,
        "value": alert.value,
        "message": _ended(alert) if occasion is Occasion.RESOLVED else alert.message,
    }


def _ended(alert: Alert) -> str:
    begun, ended = alert.since, alert.resolved_at or alert.last_true_at
    return f"Over. It lasted from {begun:%Y-%m-%d %H:%M} to {ended:%Y-%m-%d %H:%M} UTC."


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
