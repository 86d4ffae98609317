"""Acknowledge and snooze alerts: both end the reminders, for good or until a time. Neither hides an alert."""

from datetime import timedelta

from delivery.models import Alert
from subscriptions.errors import StateConflict
from webhooks.kit.sql import database_now

MAX_SNOOZE = 10_080  # minutes
KEPT_FOR = timedelta(days=90)  # after an alert was resolved, or a rule was deleted
BATCH = 1_000


def acknowledge(alert: Alert, by: str) -> Alert:
    """Record who has taken on an alert; the first one stays. Raises StateConflict for one that is over."""
    return _change(alert, {"acknowledged_at": database_now(), "acknowledged_by": by[:256]}, only_new=True)


def snooze(alert: Alert, minutes: int, by: str) -> Alert:
    """Send no reminders for so many minutes, and one then if it still fires. Raises StateConflict if it is over."""
    until = database_now() + timedelta(minutes=minutes)
    return _change(alert, {"snoozed_until": until, "snoozed_by": by[:256]})


def _change(alert: Alert, fields: dict[str, object], *, only_new: bool = False) -> Alert:
    rows = Alert.objects.filter(pk=alert.pk).exclude(state=Alert.State.RESOLVED)
    chosen = rows.filter(acknowledged_at=None) if only_new else rows
    if not chosen.update(**fields) and not rows.exists():
        raise StateConflict("state", "The alert is resolved already.")
    alert.refresh_from_db()
    return alert
