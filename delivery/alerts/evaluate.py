"""Evaluate the alert rules that are due, and store what follows.

``run`` is a task of the workers; a web process runs it while they do not (``is_neglected``), so that an alert about
missing workers needs none of them. Any number of processes may run it side by side, on any machine. One transaction
locks the rules that are due, looks where their conditions hold, changes the alerts and stores the messages about that:
either all is committed or nothing, so a crash between any two statements neither loses nor repeats a message. A rule
that another process has locked is skipped. The operator's rules go first, since the others may be many.

Rules that are due within EARLY seconds are evaluated with those that are due, so that they stay together. One statement
finds which conditions hold nowhere (``Condition.may_hold``).

Failure: if one rule of a transaction cannot be evaluated, each of them is evaluated in a transaction of its own. A rule
whose condition cannot be evaluated has the reason in ``last_error``, and is tried again; the others go on.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from delivery import telemetry
from delivery.alerts.announce import store_changes, unfinished_alerts
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
BATCH = 50  # rules that are evaluated in one transaction, at most
BATCH_SECONDS = 1.0  # after which no further rule of a batch is evaluated, and the messages of the others are made
EARLY = 2.0  # seconds by which a rule is evaluated before it is due, with others that are
WITH_FOR_MINUTES = 15.0  # seconds at least between two evaluations of a rule whose condition has to hold for minutes
STATEMENT_SECONDS = 5  # for one statement of a condition
RETRY_AFTER = 30.0  # seconds until a rule whose evaluation failed is evaluated again
MAX_FINDINGS = 1_000  # subjects of one rule

# Index: alert_rule_due, for the operator's rules and for the others.
LOCK_DUE_RULES = """
WITH operators AS (
    SELECT * FROM delivery_alertrule
     WHERE due_at <= clock_timestamp() + %(early)s * interval '1 second' AND enabled AND deleted_at IS NULL
       AND tenant_id IS NULL
     ORDER BY due_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
), others AS (
    SELECT * FROM delivery_alertrule
     WHERE due_at <= clock_timestamp() + %(early)s * interval '1 second' AND enabled AND deleted_at IS NULL
       AND tenant_id IS NOT NULL
     ORDER BY due_at LIMIT %(limit)s - (SELECT count(*) FROM operators) FOR NO KEY UPDATE SKIP LOCKED
)
SELECT * FROM operators UNION ALL SELECT * FROM others
"""
STORE_RULES = """
UPDATE delivery_alertrule r
   SET evaluated_at = %(now)s::timestamptz, last_error = '', due_at = evaluated.due_at,
       firing_message_at = evaluated.firing_message_at, resolved_message_at = evaluated.resolved_message_at
  FROM unnest(%(ids)s::uuid[], %(due_at)s::timestamptz[], %(firing)s::timestamptz[], %(resolved)s::timestamptz[])
       AS evaluated (id, due_at, firing_message_at, resolved_message_at)
 WHERE r.id = ANY(ARRAY[evaluated.id])
"""


class Evaluated(NamedTuple):
    """The number of rules that a batch has evaluated, and whether more may be due."""

    number: int
    are_more: bool


def run(*, seconds: float = RUN_SECONDS) -> int:
    """Evaluate the rules that are due, for so many seconds; return how many were."""
    until = time.monotonic() + seconds
    count, are_more = 0, True
    while are_more and time.monotonic() < until:
        evaluated, are_more = run_batch()
        count += evaluated
    return count


def is_neglected() -> bool:
    """Return whether rules are due that no process has evaluated for NEGLECTED_AFTER seconds. Index: alert_rule_due.

    While rules are evaluated all the same, only more slowly than they are due, nothing is neglected.
    """
    [(found,)] = sql.run(IS_NEGLECTED, {"after": NEGLECTED_AFTER})
    return bool(found)


def run_batch() -> Evaluated:
    """Evaluate the next rules that are due and not locked by another process."""
    rules: list[AlertRule] = []
    try:
        with transaction.atomic():
            rules = _lock_due()
            if not rules:
                return Evaluated(0, are_more=False)
            count = len(evaluate(rules, database_now(), within=BATCH_SECONDS))
        return Evaluated(count, are_more=count < len(rules) or len(rules) >= BATCH)
    except Exception:  # of one condition; the other rules must go on
        if not rules:
            raise
    return Evaluated(sum(run_one(rule.pk) for rule in rules), are_more=len(rules) >= BATCH)


def run_one(rule_id: UUID) -> bool:
    """Evaluate a rule by itself, unless another process has locked it or it is off by now; return whether it was."""
    try:
        with transaction.atomic():
            rows = AlertRule.objects.filter(pk=rule_id, enabled=True, deleted_at=None)
            rule = rows.select_for_update(skip_locked=True, of=("self",), no_key=True).first()
            if rule is None:
                return False
            evaluate([rule], database_now())
    except Exception as error:  # of its condition
        _fail(rule_id, error)
    return True


def _lock_due() -> list[AlertRule]:
    return list(AlertRule.objects.raw(LOCK_DUE_RULES, {"limit": BATCH, "early": EARLY}))


def evaluate(rules: Sequence[AlertRule], now: datetime, *, within: float = RUN_SECONDS) -> list[Transitions]:
    """Evaluate rules within the transaction that has locked them, and set when they are due again.

    Returns what has changed for each; after ``within`` seconds the rules that are left stay due, and are left out. The
    first one is always evaluated.
    """
    findings = _find_all(rules, now, within)
    evaluated = rules[: len(findings)]
    alerts = unfinished_alerts(evaluated)
    changes = [_change(it, alerts.get(it.pk, []), found, now) for it, found in zip(evaluated, findings, strict=True)]
    for rule in evaluated:
        rule.evaluated_at, rule.last_error = now, ""
        rule.due_at = now + timedelta(seconds=seconds_between(rule))
    sql.run(
        STORE_RULES,
        {
            "now": now,
            "ids": [it.pk for it in evaluated],
            "due_at": [it.due_at for it in evaluated],
            "firing": [it.firing_message_at for it in evaluated],
            "resolved": [it.resolved_message_at for it in evaluated],
        },
    )
    return changes


def seconds_between(rule: AlertRule) -> float:
    """Return the seconds between two evaluations of a rule."""
    every = CONDITIONS[rule.condition].every
    return max(every, WITH_FOR_MINUTES) if rule.for_minutes else every


def _find_all(rules: Sequence[AlertRule], now: datetime, within: float) -> list[list[Finding]]:
    until = time.monotonic() + within
    _limit_statements()
    may_hold = _conditions_that_may_hold({it.condition for it in rules})
    findings: list[list[Finding]] = []
    for rule in rules:
        if findings and time.monotonic() >= until:
            break
        findings.append(CONDITIONS[rule.condition].find(question_of(rule, now)) if rule.condition in may_hold else [])
    return findings


def _conditions_that_may_hold(names: Iterable[str]) -> set[str]:
    """Return those of these conditions that may hold anywhere, by one statement."""
    expressions = {name: CONDITIONS[name].may_hold for name in sorted(names)}
    asked = {name: text for name, text in expressions.items() if text}
    holds: Sequence[Any] = sql.run(f"SELECT {', '.join(asked.values())}", {})[0] if asked else ()
    return {*expressions} - {name for name, may_hold in zip(asked, holds, strict=True) if not may_hold}


def _change(rule: AlertRule, alerts: Sequence[Alert], findings: Sequence[Finding], now: datetime) -> Transitions:
    """Store what follows from the findings of a rule. ``alerts``: those that are not over."""
    open_alerts = {it.subject: it for it in alerts if it.state != Alert.State.RESOLVED}
    are_all = len(findings) < MAX_FINDINGS
    changes = decide(open_alerts, findings, now, rule.for_minutes, rule.keep_minutes, are_all=are_all)
    store_changes(rule, alerts, changes, now)
    return changes


def find(rule: AlertRule, condition: Condition, now: datetime) -> list[Finding]:
    """Return where the condition of a rule holds."""
    _limit_statements()
    return condition.find(question_of(rule, now))


def _limit_statements() -> None:
    """End statements of this transaction from now on that take longer than STATEMENT_SECONDS."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'")


def question_of(rule: AlertRule, now: datetime) -> Question:
    """Return what the condition of a rule is asked."""
    return Question(rule.tenant_id, rule.settings, now, rule.enabled_at, MAX_FINDINGS)


def _fail(rule_id: UUID, error: Exception) -> None:
    """Note why a rule could not be evaluated, and let it wait."""
    telemetry.alert_rule_failed(rule_id, error)
    text = f"{type(error).__name__}: {error}".splitlines()[0][:512]
    AlertRule.objects.filter(pk=rule_id, enabled=True).update(
        last_error=text, due_at=database_now() + timedelta(seconds=RETRY_AFTER)
    )
