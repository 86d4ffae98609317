"""Test the evaluation of rules: one message when it begins, one when it ends, by whatever process."""

import os
import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from delivery.alerts import evaluate as evaluation
from delivery.alerts.evaluate import EARLY, WITH_FOR_MINUTES, run, run_batch
from delivery.alerts.rules import change_rule, create_rule
from delivery.models import Alert, AlertRule, Event, Lane
from subscriptions.models import Tenant
from tests.database_url import database_url
from tests.delivery.alerts.factories import (
    make_failing,
    make_rule,
    make_subscriber,
    make_working,
    occasions,
    published,
    run_rule,
)
from tests.factories import make_endpoint, make_tenant
from tests.statements import before_statements
from webhooks.kit.conditions import registry
from webhooks.kit.conditions.condition import Condition, Finding
from webhooks.kit.sql import database_now

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    tenant = make_tenant()
    make_subscriber(tenant)
    return tenant


def states(rule: AlertRule) -> list[str]:
    return [it.state for it in rule.alerts.order_by("id")]


def test_endpoint_that_fails_is_announced_once_and_its_end_once(tenant: Tenant) -> None:
    endpoint, rule = make_endpoint(tenant), make_rule(tenant, for_minutes=5)
    make_failing(endpoint, minutes=4)
    run_rule(rule)
    assert occasions(tenant) == []
    make_failing(endpoint, minutes=6)
    run_rule(rule)
    run_rule(rule)
    assert occasions(tenant) == [("firing", 1)]
    make_working(endpoint)
    run_rule(rule)
    run_rule(rule)
    assert occasions(tenant) == [("firing", 1), ("resolved", 1)]
    assert states(rule) == ["resolved"]
    kind, data = published(tenant)[0]
    assert (kind, data["rule"], data["alerts"][0]["subject"]) == ("firing", rule.public_id, endpoint.public_id)
    assert Event.objects.filter(tenant=tenant, subject=rule.public_id).count() == 2


def test_endpoints_that_fail_together_are_in_one_message(tenant: Tenant) -> None:
    rule = make_rule(tenant)
    endpoints = [make_endpoint(tenant) for _ in range(25)]
    for endpoint in endpoints:
        make_failing(endpoint)
    run_rule(rule)
    ((_, data),) = published(tenant)
    assert (data["count"], len(data["alerts"])) == (25, 20)
    assert data["title"] == "Firing: Fails (25)"
    assert data["message"].endswith("\nand 5 more")


def test_endpoints_that_fail_soon_after_are_collected_into_one_more_message(tenant: Tenant) -> None:
    rule = make_rule(tenant)
    first, *others = [make_endpoint(tenant) for _ in range(3)]
    make_failing(first)
    run_rule(rule)
    for endpoint in others:
        make_failing(endpoint)
    run_rule(rule, minutes=0.5)
    assert occasions(tenant) == [("firing", 1)]
    run_rule(rule, minutes=1.1)
    assert occasions(tenant) == [("firing", 1), ("firing", 2)]


def test_alert_that_ends_before_its_message_has_none(tenant: Tenant) -> None:
    rule = make_rule(tenant)
    first, second = make_endpoint(tenant), make_endpoint(tenant)
    make_failing(first)
    run_rule(rule)
    make_failing(second)
    run_rule(rule, minutes=0.2)
    make_working(second)
    run_rule(rule, minutes=0.4)
    run_rule(rule, minutes=5)
    assert occasions(tenant) == [("firing", 1)]
    assert states(rule) == ["firing", "resolved"]


def test_reminder_comes_while_it_fires_and_is_not_acknowledged(tenant: Tenant) -> None:
    rule = make_rule(tenant, reminder_minutes=30)
    make_failing(make_endpoint(tenant))
    run_rule(rule)
    run_rule(rule, minutes=29)
    assert occasions(tenant) == [("firing", 1)]
    run_rule(rule, minutes=31)
    assert occasions(tenant) == [("firing", 1), ("reminder", 1)]
    Alert.objects.update(acknowledged_at=database_now())
    run_rule(rule, minutes=90)
    assert len(occasions(tenant)) == 2


def test_snoozed_alert_is_reminded_of_once_when_the_time_is_over(tenant: Tenant) -> None:
    rule = make_rule(tenant, reminder_minutes=5)
    make_failing(make_endpoint(tenant))
    run_rule(rule)
    Alert.objects.update(snoozed_until=database_now() + timedelta(minutes=60))
    run_rule(rule, minutes=59)
    assert occasions(tenant) == [("firing", 1)]
    run_rule(rule, minutes=61)
    run_rule(rule, minutes=62)
    assert occasions(tenant) == [("firing", 1), ("reminder", 1)]


def test_rule_that_is_switched_off_resolves_its_alerts_with_a_message(tenant: Tenant) -> None:
    rule = make_rule(tenant)
    make_failing(make_endpoint(tenant))
    run_rule(rule)
    change_rule(rule, {"enabled": False})
    assert occasions(tenant) == [("firing", 1), ("resolved", 1)]
    assert AlertRule.objects.get(pk=rule.pk).due_at is None
    assert states(rule) == ["resolved"]


def test_run_evaluates_what_is_due_and_nothing_else(tenant: Tenant) -> None:
    AlertRule.objects.exclude(tenant=tenant).update(due_at=None)
    due, later = make_rule(tenant), make_rule(tenant)
    AlertRule.objects.filter(pk=later.pk).update(due_at=database_now() + timedelta(hours=1))
    assert run() == 1
    assert AlertRule.objects.get(pk=due.pk).evaluated_at is not None
    assert AlertRule.objects.get(pk=later.pk).evaluated_at is None


def test_rule_of_the_operator_looks_at_all_tenants_and_tells_the_platform_only(tenant: Tenant) -> None:
    platform = make_tenant(is_platform=True)
    make_subscriber(platform)
    rule = create_rule(None, name="All", condition="endpoint_failing")
    make_failing(make_endpoint(tenant))
    make_failing(make_endpoint())
    run_rule(rule)
    assert occasions(platform) == [("firing", 2)]
    assert occasions(tenant) == []
    assert {it["about_tenant"] for it in published(platform)[0][1]["alerts"]} >= {tenant.public_id}


def test_rule_of_a_tenant_finds_nothing_of_another(tenant: Tenant) -> None:
    rule = make_rule(tenant)
    make_failing(make_endpoint())
    run_rule(rule)
    assert states(rule) == []


def _broken(_question: Any) -> list[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 / 0")
    return []


def test_condition_that_raises_is_noted_and_the_next_rule_is_evaluated(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry._conditions, "broken", Condition("broken", "Broken", "Raises.", _broken))
    AlertRule.objects.exclude(tenant=tenant).update(due_at=None)
    broken = make_rule(tenant, condition="broken")
    good = make_rule(tenant)
    assert run() == 2
    broken.refresh_from_db()
    good.refresh_from_db()
    assert "division by zero" in broken.last_error
    assert broken.due_at is not None
    assert broken.due_at > database_now()
    assert good.evaluated_at is not None


def test_rules_that_are_due_soon_are_evaluated_with_those_that_are_due(tenant: Tenant) -> None:
    AlertRule.objects.exclude(tenant=tenant).update(due_at=None)
    due, soon, later = (make_rule(tenant) for _ in range(3))
    for rule, seconds in ((soon, EARLY / 2), (later, 2 * EARLY + 10)):
        AlertRule.objects.filter(pk=rule.pk).update(due_at=database_now() + timedelta(seconds=seconds))
    assert run_batch() == (2, False)
    assert evaluated(due, soon, later) == [True, True, False]
    assert len(set(AlertRule.objects.filter(pk__in=[due.pk, soon.pk]).values_list("due_at", flat=True))) == 1


def test_rules_that_find_nothing_take_as_many_statements_however_many_they_are(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    AlertRule.objects.update(due_at=None)
    Lane.objects.all().delete()
    statements: list[Any] = []
    before_statements(monkeypatch, statements.append)
    counts = []
    for number in (1, 12):
        for _ in range(number):
            make_rule(tenant)
        statements.clear()
        assert run_batch().number == number
        counts.append(len(statements))
        AlertRule.objects.update(due_at=None)
    assert counts[0] == counts[1] < 12


def test_rules_of_the_operator_are_evaluated_before_those_of_tenants(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "BATCH", 1)
    AlertRule.objects.update(due_at=None)
    theirs, ours = make_rule(tenant), create_rule(None, name="All", condition="endpoint_failing")
    AlertRule.objects.filter(pk=theirs.pk).update(due_at=database_now() - timedelta(minutes=5))
    assert run_batch() == (1, True)
    assert evaluated(theirs, ours) == [False, True]
    assert run() == 1
    assert evaluated(theirs, ours) == [True, True]


def test_rules_for_which_a_batch_has_no_time_stay_due(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "BATCH_SECONDS", 0.0)
    AlertRule.objects.exclude(tenant=tenant).update(due_at=None)
    rules = [make_rule(tenant) for _ in range(3)]
    assert run_batch() == (1, True)
    assert evaluated(*rules) == [True, False, False]
    assert run() == 2


def test_condition_that_may_hold_nowhere_is_not_evaluated_and_its_alerts_end(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Any] = []

    def find(question: Any) -> list[Finding]:
        looks.append(question)
        return [Finding("platform", "one", "One", "It holds.")]

    gated = Condition("gated", "Gated", "Holds.", find, may_hold="EXISTS (SELECT FROM delivery_lane)")
    monkeypatch.setitem(registry._conditions, "gated", gated)
    rule = make_rule(tenant, condition="gated")
    make_failing(make_endpoint(tenant))
    run_rule(rule)
    assert (len(looks), states(rule)) == (1, ["firing"])
    Lane.objects.all().delete()
    run_rule(rule)
    assert (len(looks), states(rule)) == (1, ["resolved"])


def test_rule_that_waits_for_minutes_is_evaluated_less_often(tenant: Tenant) -> None:
    at_once, after_minutes = run_rule(make_rule(tenant)), run_rule(make_rule(tenant, for_minutes=5))
    assert [seconds_until_due(it) for it in (at_once, after_minutes)] == [5.0, WITH_FOR_MINUTES]


def seconds_until_due(rule: AlertRule) -> float:
    assert rule.due_at is not None
    assert rule.evaluated_at is not None
    return (rule.due_at - rule.evaluated_at).total_seconds()


def evaluated(*rules: AlertRule) -> list[bool]:
    return [AlertRule.objects.get(pk=it.pk).evaluated_at is not None for it in rules]


def test_findings_beyond_the_limit_end_no_alert(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MAX_FINDINGS", 2)
    rule = make_rule(tenant)
    endpoints = [make_endpoint(tenant) for _ in range(3)]
    for place, endpoint in enumerate(endpoints):
        make_failing(endpoint, minutes=10 + place)
    run_rule(rule)
    make_failing(endpoints[0], minutes=99)
    run_rule(rule)
    assert states(rule) == ["firing", "firing", "firing"]


@pytest.mark.django_db(transaction=True)
class TestSideBySide:
    """Several processes evaluate the same rules."""

    @pytest.fixture(autouse=True)
    def only_rule(self) -> AlertRule:
        tenant = make_tenant()
        make_subscriber(tenant)
        make_failing(make_endpoint(tenant))
        AlertRule.objects.update(due_at=None, enabled=False)
        return make_rule(tenant)

    def test_rule_that_another_process_has_locked_is_skipped(self, only_rule: AlertRule) -> None:
        results: list[int] = []

        def other() -> None:
            results.append(run_batch().number)
            connection.close()

        with transaction.atomic():
            AlertRule.objects.select_for_update().get(pk=only_rule.pk)
            thread = threading.Thread(target=other)
            thread.start()
            thread.join(timeout=30)
        assert results == [0]
        assert run_batch().number == 1

    def test_many_at_once_make_one_message(self, only_rule: AlertRule) -> None:
        def other() -> None:
            run(seconds=1.0)
            connection.close()

        threads = [threading.Thread(target=other) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert only_rule.tenant is not None
        assert occasions(only_rule.tenant) == [("firing", 1)]

    def test_process_that_is_killed_before_its_commit_leaves_nothing_and_the_next_makes_the_message(
        self, only_rule: AlertRule
    ) -> None:
        script = (
            "import os, signal, django; django.setup()\n"
            "from delivery.alerts import evaluate\n"
            "evaluate.telemetry.alerts_announced = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
            "evaluate.run_batch()\n"
        )
        environment = {**os.environ, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "config.settings"}
        done = subprocess.run([sys.executable, "-c", script], env=environment, timeout=120, check=False)
        assert done.returncode == -9
        assert only_rule.tenant is not None
        assert occasions(only_rule.tenant) == []
        assert run_batch().number == 1
        assert occasions(only_rule.tenant) == [("firing", 1)]

    @pytest.mark.parametrize(
        ("due", "evaluated", "is_neglected"),
        [
            (60, None, True),
            (60, 60, True),
            (10, 60, False),
            (None, 60, False),
        ],
    )
    def test_rule_that_waits_is_neglected(
        self, only_rule: AlertRule, due: int | None, evaluated: int | None, is_neglected: bool
    ) -> None:
        set_times(only_rule, due, evaluated)
        assert evaluation.is_neglected() is is_neglected

    def test_rule_that_waits_behind_others_that_are_evaluated_is_not_neglected(self, only_rule: AlertRule) -> None:
        other = make_rule()
        set_times(only_rule, 300, 300)
        set_times(other, None, 20)
        assert not evaluation.is_neglected()
        set_times(other, None, 40)
        assert evaluation.is_neglected()


def set_times(rule: AlertRule, due: int | None, evaluated: int | None) -> None:
    """Let a rule have been due, and evaluated, so many seconds ago."""
    now = database_now()
    ago = {name: None if it is None else now - timedelta(seconds=it) for name, it in (("d", due), ("e", evaluated))}
    AlertRule.objects.filter(pk=rule.pk).update(due_at=ago["d"], evaluated_at=ago["e"])
