"""Try a rule: send a test message to its channels, and tell where its condition holds and held yesterday."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from delivery.alerts.announce import publish
from delivery.alerts.evaluate import find, question_of
from delivery.alerts.messages import Occasion, message
from delivery.alerts.rules import checked_settings, condition_of
from delivery.models import Alert, AlertRule
from webhooks.kit.conditions.condition import HOUR, Finding, PastFinding
from webhooks.kit.sql import database_now

SHOWN = 20  # findings in a preview
DAY = 24  # hours


@dataclass(frozen=True, slots=True)
class PastAlert:
    """An alert that a rule would have raised, by hourly figures. ``ends_at``: the end of the last hour."""

    subject: str
    subject_name: str
    begins_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Preview:
    """Where the condition of a rule holds now, and the alerts that it would have raised in the last full 24 hours.

    ``total``: how many subjects there are now. ``past``: None if there are no hourly figures for the condition.
    """

    total: int
    findings: list[Finding]
    past: list[PastAlert] | None
    since: datetime
    until: datetime


def preview(rule: AlertRule) -> Preview:
    """Evaluate a rule, which need not be stored, without changing anything. Raises Invalid, as ``create_rule``."""
    now = database_now()
    rule.updated_at, rule.enabled_at = now, now - timedelta(hours=DAY)
    condition = condition_of(rule)
    rule.settings = checked_settings(rule)
    with transaction.atomic():
        findings = find(rule, condition, now)
        question = question_of(rule, now)
        until = question.hour
        since = until - DAY * HOUR
        past = None if condition.past is None else episodes(condition.past(question, since, until), rule.for_minutes)
    return Preview(len(findings), findings[:SHOWN], past, since, until)


def episodes(hours: Iterable[PastFinding], for_minutes: int) -> list[PastAlert]:
    """Join hours of the same subject that follow each other; leave out what was shorter than ``for_minutes``."""
    joined: list[PastAlert] = []
    for it in sorted(hours, key=lambda it: (it.subject, it.begins_at)):
        last = joined[-1] if joined else None
        if last is not None and last.subject == it.subject and last.ends_at == it.begins_at:
            joined[-1] = PastAlert(last.subject, last.subject_name, last.begins_at, it.begins_at + HOUR)
        else:
            joined.append(PastAlert(it.subject, it.name, it.begins_at, it.begins_at + HOUR))
    long = [it for it in joined if it.ends_at - it.begins_at >= timedelta(minutes=for_minutes)]
    return sorted(long, key=lambda it: (it.begins_at, it.subject))


def send_test(rule: AlertRule) -> int:
    """Send a test message by all ways of a rule; return how many events and messages were stored."""
    now = database_now()
    example = Alert(
        rule=rule,
        tenant_id=rule.tenant_id,
        subject_type="test",
        subject="test",
        subject_name="Test",
        since=now,
        last_true_at=now,
        message="This is a test of the rule; nothing is wrong.",
    )
    with transaction.atomic():
        return publish(rule, message(rule, Occasion.TEST, [example]))
