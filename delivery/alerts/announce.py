"""Store what changes about the alerts of a rule, and make the messages that are due about that, in one transaction.

The event is stored, and each channel that is no endpoint gets a row, which a task sends. So whatever is committed is
sent, and what is undone by a crash is found and announced by the next evaluation.

The first message comes at once. Alerts of the same rule that begin within GROUP_SECONDS of it are put into one further
message; those that end are grouped likewise.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from django.db.models import Q

from delivery import metrics, telemetry
from delivery.alerts.channels import deliver_to_channels
from delivery.alerts.messages import Message, Occasion, message
from delivery.alerts.transitions import Transitions
from delivery.models import Alert, AlertRule
from delivery.operational.operational_events import platform_tenant_id, publish_to
from webhooks.kit.conditions.condition import Finding

GROUP_SECONDS = 60.0  # between two messages of a rule about alerts that began, or that ended
LATE = timedelta(seconds=GROUP_SECONDS)
STATE = Alert.State
COLUMNS = (
    *("subject_name", "state", "since", "last_true_at", "value", "message", "step", "announced_step", "announced_at"),
    *("is_end_due", "fired_at", "resolved_at", "snoozed_until"),
)
NOT_AT_ONCE = ("last_true_at", "value", "message")
SEEN_EVERY = timedelta(seconds=20)  # how often those are stored at least


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


# --- the alerts ------------------------------------------------------------------------------------------------


def unfinished_alerts(rules: Sequence[AlertRule]) -> Mapping[UUID, list[Alert]]:
    """Return the alerts of these rules that are not over, or of whose end a message is due. Index: alert_open."""
    found: dict[UUID, list[Alert]] = {}
    for alert in Alert.objects.filter(~Q(state=STATE.RESOLVED) | Q(is_end_due=True), rule__in=rules):
        found.setdefault(alert.rule_id, []).append(alert)
    return found


def store_changes(rule: AlertRule, alerts: Sequence[Alert], changes: Transitions, now: datetime) -> None:
    """Store the changes of alerts and the messages that are due. ``alerts``: those that are not over."""
    stored = {it.pk: _stored_columns(it) for it in alerts}
    seen_at = {it.pk: it.last_true_at for it in alerts}
    new = Alert.objects.bulk_create(_new(rule, finding, state, now) for finding, state in changes.begun)
    for alert, finding, state in changes.held:
        _hold(cast(Alert, alert), finding, state, now)
    for alert in changes.ended:
        _end(cast(Alert, alert), now)
    dropped = {cast(Alert, it).pk for it in changes.dropped}
    if dropped:
        Alert.objects.filter(pk__in=dropped).delete()
    current = [*(it for it in alerts if it.pk not in dropped), *new]
    for made in announce(rule, current, now):
        metrics.alert_message(made.occasion.value)
        telemetry.alerts_announced(rule, made.occasion.value, made.data["count"])
    new_keys = {it.pk for it in new}
    changed = [
        it
        for it in current
        if it.pk in new_keys or _stored_columns(it) != stored[it.pk] or it.last_true_at - seen_at[it.pk] > SEEN_EVERY
    ]
    Alert.objects.bulk_update(changed, COLUMNS)


def _stored_columns(alert: Alert) -> tuple[object, ...]:
    """Return the columns of which every change is stored; the others change with every evaluation."""
    return tuple(getattr(alert, name) for name in COLUMNS if name not in NOT_AT_ONCE)


def _new(rule: AlertRule, finding: Finding, state: str, now: datetime) -> Alert:
    alert = Alert(
        rule=rule,
        tenant_id=rule.tenant_id,
        about_tenant_id=finding.tenant_id,
        subject_type=finding.subject_type,
        subject=finding.subject[:256],
        since=finding.since or now,
    )
    _hold(alert, finding, state, now)
    return alert


def _hold(alert: Alert, finding: Finding, state: str, now: datetime) -> None:
    if state == STATE.FIRING and alert.fired_at is None:
        alert.fired_at = now
    if finding.since is not None:
        alert.since = min(alert.since, finding.since)
    alert.state, alert.last_true_at = state, now
    alert.subject_name, alert.message = finding.name[:256], finding.message[:1024]
    alert.value, alert.step = finding.value, max(alert.step, finding.step)


def _end(alert: Alert, now: datetime) -> None:
    alert.state, alert.resolved_at = STATE.RESOLVED, now
    alert.is_end_due = alert.announced_step >= 0


def end_alerts(rule: AlertRule, now: datetime) -> None:
    """Resolve all alerts of a rule that is switched off or deleted, with the message about that."""
    alerts = unfinished_alerts([rule]).get(rule.pk, [])
    changes = Transitions(
        ended=[it for it in alerts if it.state == STATE.FIRING],
        dropped=[it for it in alerts if it.state == STATE.PENDING],
    )
    rule.resolved_message_at = None
    store_changes(rule, alerts, changes, now)
