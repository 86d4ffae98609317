"""Evaluate the alert rules that are due, and store what follows.

``run`` is a task of the workers; a web process runs it while they do not (``is_neglected``), so that an alert about
missing workers needs none of them. Any number of processes may run it side by side, on any machine. One transaction
locks a rule, looks where its condition holds, changes the alerts and stores the messages about that: either all is
committed or nothing, so a crash between any two statements neither loses nor repeats a message. A rule that another
process has locked is skipped. The operator's rules go first, since the others may be many.

Failure: a rule whose condition cannot be evaluated has the reason in ``last_error``, and is tried again; the others
go on.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from delivery import metrics, telemetry
from delivery.alerts.announce import announce
from delivery.alerts.transitions import Transitions, decide
from delivery.models import Alert, AlertRule
from webhooks.kit import sql
from webhooks.kit.conditions.condition import Condition, Finding, Question
from webhooks.kit.conditions.registry import CONDITIONS
from webhooks.kit.sql import database_now

HAS_DUE_RULES = "EXISTS (SELECT FROM delivery_alertrule WHERE due_at <= now())"  # reader: the schedule
NEGLECTED_AFTER = 30.0  # seconds that due rules wait, and none is evaluated, until a web process evaluates them
IS_NEGLECTED = """SELECT EXISTS (SELECT FROM delivery_alertrule WHERE due_at <= now() - %(after)s * interval '1 second')
   AND NOT EXISTS (SELECT FROM delivery_alertrule WHERE evaluated_at > now() - %(after)s * interval '1 second')"""
RUN_SECONDS = 4.0  # one run of the task; what is due then waits for the next
STATEMENT_SECONDS = 5  # for one statement of a condition
RETRY_AFTER = 30.0  # seconds until a rule whose evaluation failed
MAX_FINDINGS = 1_000  # subjects of one rule
STATE = Alert.State
COLUMNS = (
    *("subject_name", "state", "since", "last_true_at", "value", "message", "step", "announced_step", "announced_at"),
    *("is_end_due", "fired_at", "resolved_at", "snoozed_until"),
)
NOT_AT_ONCE = ("last_true_at", "value", "message")
SEEN_EVERY = timedelta(seconds=20)  # how often those are stored at least


def run(*, seconds: float = RUN_SECONDS) -> int:
    """Evaluate the rules that are due, for so many seconds; return how many were."""
    until = time.monotonic() + seconds
    evaluated = 0
    while time.monotonic() < until and run_next():
        evaluated += 1
    return evaluated


def is_neglected() -> bool:
    """Return whether rules are due that no process has evaluated for NEGLECTED_AFTER seconds. Index: alert_rule_due.

    While rules are evaluated all the same, only more slowly than they are due, nothing is neglected.
    """
    [(found,)] = sql.run(IS_NEGLECTED, {"after": NEGLECTED_AFTER})
    return bool(found)


def run_next() -> bool:
    """Evaluate the next rule that is due and not locked by another process; return False if there is none."""
    rule: AlertRule | None = None
    try:
        with transaction.atomic():
            rule = _lock_next()
            if rule is None:
                return False
            evaluate(rule, database_now())
    except Exception as error:  # of one condition; the other rules must go on
        if rule is None:
            raise
        _fail(rule.pk, error)
    return True


def _lock_next() -> AlertRule | None:
    due = AlertRule.objects.filter(due_at__lte=database_now(), enabled=True, deleted_at=None)
    locked = due.select_for_update(skip_locked=True, of=("self",), no_key=True)
    return locked.filter(tenant=None).order_by("due_at").first() or locked.order_by("due_at").first()


def evaluate(rule: AlertRule, now: datetime) -> Transitions:
    """Evaluate a rule within the transaction that has locked it, and set when it is due again."""
    condition = CONDITIONS[rule.condition]
    findings = find(rule, condition, now)
    alerts = list(rule.alerts.filter(~Q(state=STATE.RESOLVED) | Q(is_end_due=True)))
    open_alerts = {it.subject: it for it in alerts if it.state != STATE.RESOLVED}
    are_all = len(findings) < MAX_FINDINGS
    changes = decide(open_alerts, findings, now, rule.for_minutes, rule.keep_minutes, are_all=are_all)
    store(rule, alerts, changes, now)
    rule.evaluated_at, rule.last_error = now, ""
    rule.due_at = now + timedelta(seconds=condition.every)
    rule.save(update_fields=["evaluated_at", "last_error", "due_at", "firing_message_at", "resolved_message_at"])
    return changes


def find(rule: AlertRule, condition: Condition, now: datetime) -> list[Finding]:
    """Return where the condition of a rule holds."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")
    return condition.find(question_of(rule, now))


def question_of(rule: AlertRule, now: datetime) -> Question:
    """Return what the condition of a rule is asked."""
    return Question(rule.tenant_id, rule.settings, now, rule.enabled_at, MAX_FINDINGS)


def store(rule: AlertRule, alerts: Sequence[Alert], changes: Transitions, now: datetime) -> None:
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
    alerts = list(rule.alerts.filter(~Q(state=STATE.RESOLVED) | Q(is_end_due=True)))
    changes = Transitions(
        ended=[it for it in alerts if it.state == STATE.FIRING],
        dropped=[it for it in alerts if it.state == STATE.PENDING],
    )
    rule.resolved_message_at = None
    store(rule, alerts, changes, now)


def _fail(rule_id: UUID, error: Exception) -> None:
    """Note why a rule could not be evaluated, and let it wait."""
    telemetry.alert_rule_failed(rule_id, error)
    text = f"{type(error).__name__}: {error}".splitlines()[0][:512]
    AlertRule.objects.filter(pk=rule_id, enabled=True).update(
        last_error=text, due_at=database_now() + timedelta(seconds=RETRY_AFTER)
    )
