"""Acknowledge and snooze alerts: both end the reminders, for good or until a time. Neither hides an alert."""

from datetime import timedelta

from django.db.models import Count, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from delivery.models import Alert, AlertMessage, AlertRule
from subscriptions.errors import StateConflict
from webhooks.kit.sql import database_now
from webhooks.wire.ids import first_id_at

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


def delete_old_alerts() -> int:
    """Delete alerts that were resolved more than KEPT_FOR ago, messages as old, and rules deleted then; return a count.

    At most BATCH of each. Index: alert_resolved.
    """
    cutoff = database_now() - KEPT_FOR
    old = Alert.objects.filter(resolved_at__lt=cutoff, is_end_due=False).order_by("resolved_at")[:BATCH]
    deleted = Alert.objects.filter(pk__in=list(old.values_list("pk", flat=True))).delete()[0]
    messages = AlertMessage.objects.filter(id__lt=first_id_at(cutoff), next_attempt_at=None).order_by("id")[:BATCH]
    deleted += AlertMessage.objects.filter(pk__in=list(messages.values_list("pk", flat=True))).delete()[0]
    rules = AlertRule.objects.filter(deleted_at__lt=cutoff).order_by("id")[:BATCH]
    return deleted + AlertRule.objects.filter(pk__in=list(rules.values_list("pk", flat=True))).delete()[0]


def firing_by_severity() -> dict[str, int]:
    """Return how many alerts fire, by severity. Index: alert_open."""
    rows = Alert.objects.filter(state=Alert.State.FIRING).order_by().values_list("rule__severity")
    counts = dict(rows.annotate(number=Count("id")))
    return {severity: counts.get(severity, 0) for severity in AlertRule.Severity.values}


def with_firing(rows: QuerySet[AlertRule]) -> QuerySet[AlertRule]:
    """Add ``firing_count`` to rules of a list, read with them. Index: alert_open."""
    firing = Alert.objects.filter(rule=OuterRef("pk"), state=Alert.State.FIRING).order_by().values("rule")
    return rows.annotate(firing_count=Coalesce(Subquery(firing.values(number=Count("id"))), 0))


def firing_count(rule: AlertRule) -> int:
    """Return how many alerts of a rule fire: as it was read with the rule, or else as it is now."""
    counted: int | None = getattr(rule, "firing_count", None)
    return rule.alerts.filter(state=Alert.State.FIRING).count() if counted is None else counted


def seconds_late() -> float:
    """Return how many seconds late the evaluation is of the rule that has waited longest. Index: alert_rule_due."""
    first = AlertRule.objects.filter(due_at__isnull=False).aggregate(first=Min("due_at"))["first"]
    return 0.0 if first is None else max((database_now() - first).total_seconds(), 0.0)


def _change(alert: Alert, fields: dict[str, object], *, only_new: bool = False) -> Alert:
    rows = Alert.objects.filter(pk=alert.pk).exclude(state=Alert.State.RESOLVED)
    chosen = rows.filter(acknowledged_at=None) if only_new else rows
    if not chosen.update(**fields) and not rows.exists():
        raise StateConflict("state", "The alert is resolved already.")
    alert.refresh_from_db()
    return alert
