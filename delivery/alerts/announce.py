"""Make the messages that are due about the alerts of a rule, in the transaction that changed them.

The event is stored, and each channel that is no endpoint gets a row, which a task sends. So whatever is committed is
sent, and what is undone by a crash is found and announced by the next evaluation.

The first message comes at once. Alerts of the same rule that begin within GROUP_SECONDS of it are put into one further
message; those that end are grouped likewise.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from delivery.alerts.channels import deliver_to_channels
from delivery.alerts.messages import Message, Occasion, message
from delivery.models import Alert, AlertRule
from delivery.operational.operational_events import platform_tenant_id, publish_to

GROUP_SECONDS = 60.0  # between two messages of a rule about alerts that began, or that ended
LATE = timedelta(seconds=GROUP_SECONDS)


def announce(rule: AlertRule, alerts: Sequence[Alert], now: datetime) -> list[Message]:
    """Make the messages that are due, and set the columns of the alerts and of the rule; the caller saves them."""
    made = []
    begun = [it for it in alerts if it.state == Alert.State.FIRING and it.announced_step < it.step]
    if begun and _is_free(rule.firing_message_at, now):
        made.append(_make(rule, Occasion.FIRING, begun, now))
        rule.firing_message_at = now
        for alert in begun:
            alert.announced_step = alert.step
    ended = [it for it in alerts if it.is_end_due]
    if ended and _is_free(rule.resolved_message_at, now):
        made.append(_make(rule, Occasion.RESOLVED, ended, now))
        rule.resolved_message_at = now
        for alert in ended:
            alert.is_end_due = False
    if reminded := [it for it in alerts if it not in begun and _is_reminder_due(rule, it, now)]:
        made.append(_make(rule, Occasion.REMINDER, reminded, now))
        for alert in reminded:
            alert.snoozed_until = None
    return made


def publish(rule: AlertRule, made: Message) -> int:
    """Store the event of a message and what its channels get; return the number of events and messages."""
    tenant_id = rule.tenant_id or platform_tenant_id()
    count = publish_to(made.event_type, [(tenant_id, made.data)], subject=rule.public_id) if tenant_id else 0
    return count + deliver_to_channels(rule, made)


def _make(rule: AlertRule, occasion: Occasion, alerts: Sequence[Alert], now: datetime) -> Message:
    made = message(rule, occasion, sorted(alerts, key=lambda it: (it.since, it.pk)))
    publish(rule, made)
    for alert in alerts:
        alert.announced_at = now
    return made


def _is_free(last: datetime | None, now: datetime) -> bool:
    return last is None or now - last >= LATE


def _is_reminder_due(rule: AlertRule, alert: Alert, now: datetime) -> bool:
    if alert.state != Alert.State.FIRING or alert.announced_at is None:
        return False
    if alert.snoozed_until is not None:
        return alert.snoozed_until <= now
    if alert.acknowledged_at is not None or rule.reminder_minutes is None:
        return False
    return now - alert.announced_at >= timedelta(minutes=rule.reminder_minutes)
