"""Test acknowledging, snoozing and forgetting alerts, and the figures for metrics."""

from datetime import timedelta

import pytest

from delivery.alerts.history import acknowledge, delete_old_alerts, firing_by_severity, seconds_late, snooze
from delivery.alerts.rules import delete_rule
from delivery.models import Alert, AlertRule
from subscriptions.errors import StateConflict
from tests.delivery.alerts.factories import make_alert, make_rule
from webhooks.kit.sql import database_now

pytestmark = pytest.mark.django_db


def test_first_acknowledgement_stays() -> None:
    alert = make_alert()
    acknowledge(alert, "first")
    assert acknowledge(alert, "second").acknowledged_by == "first"


def test_alert_that_is_over_is_neither_acknowledged_nor_snoozed() -> None:
    alert = make_alert(state="resolved")
    with pytest.raises(StateConflict):
        acknowledge(alert, "a")
    with pytest.raises(StateConflict):
        snooze(alert, 5, "a")


def test_old_alerts_and_rules_are_deleted_and_others_stay() -> None:
    now = database_now()
    make_alert(state="resolved", resolved_at=now - timedelta(days=91))
    kept = {make_alert(state="resolved", resolved_at=now - timedelta(days=89)).pk, make_alert().pk}
    gone = make_rule()
    delete_rule(gone)
    AlertRule.objects.filter(pk=gone.pk).update(deleted_at=now - timedelta(days=91))
    assert delete_old_alerts() == 2
    assert set(Alert.objects.values_list("pk", flat=True)) == kept
    assert not AlertRule.objects.filter(pk=gone.pk).exists()


def test_metrics_count_what_fires_and_how_late_the_evaluation_is() -> None:
    make_alert()
    make_alert(state="resolved")
    assert firing_by_severity() == {"critical": 0, "warning": 1, "info": 0}
    AlertRule.objects.update(due_at=database_now() + timedelta(hours=1))
    assert seconds_late() == 0.0
    AlertRule.objects.filter(uid="expiring").update(due_at=database_now() - timedelta(minutes=2))
    assert seconds_late() >= 120
