"""Test that an alert about missing workers needs none: the web process evaluates the rule and sends the mail."""

from datetime import timedelta
from typing import Any

import pytest

from delivery.alerts.rules import create_rule
from delivery.load.roles import BEAT, DRAIN, WORKER
from delivery.models import AlertRule, Heartbeat
from tests.journeys.conftest import Workers
from tests.smtp_server import MailServer, mail_server
from tests.waiting import wait_until
from webhooks.kit.sql import database_now


def make_rule_with_mail() -> AlertRule:
    """Create the only rule, about programs of the platform, whose messages go to a person."""
    AlertRule.objects.update(enabled=False, due_at=None)
    channels = [{"type": "email", "email": "ops@example.com"}]
    return create_rule(None, name="Programs", condition="platform_processes", channels=channels)


def let_a_minute_pass() -> None:
    """Let the programs that are gone have been so for a minute, and the rule have waited as long."""
    minute = timedelta(minutes=1)
    now = database_now()
    Heartbeat.objects.filter(role__in=(WORKER, BEAT)).update(reported_at=now - minute)
    AlertRule.objects.filter(enabled=True).update(due_at=now - minute, evaluated_at=now - minute)


def subjects(server: MailServer) -> list[str]:
    lines = [line for _, content in server.mails for line in content.decode().splitlines()]
    return [line.removeprefix("Subject: ") for line in lines if line.startswith("Subject: ")]


def test_alert_that_workers_are_gone_is_mailed_without_any_worker(
    workers: Workers, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WAYPOST_MAIL_FROM = "alerts@example.com"
    with mail_server() as server:
        monkeypatch.setenv("WAYPOST_MAIL_FROM", "alerts@example.com")
        monkeypatch.setenv("WAYPOST_MAIL_URL", f"smtp+plain://127.0.0.1:{server.port}")
        workers.start("web", "deliver")
        (work,) = workers.start("work")
        running = {WORKER, BEAT, DRAIN}
        wait_until(lambda: running <= set(Heartbeat.objects.values_list("role", flat=True)), "all programs")
        rule = make_rule_with_mail()
        wait_until(lambda: AlertRule.objects.get(pk=rule.pk).evaluated_at, "a worker to evaluate the rule")
        assert not rule.alerts.exists()
        work.kill()
        let_a_minute_pass()
        wait_until(lambda: server.mails, "the mail")
        assert set(rule.alerts.values_list("state", flat=True)) == {"firing"}
        assert {it.split(" ")[0] for it in rule.alerts.values_list("subject", flat=True)} == {WORKER, BEAT}

        workers.start("work")
        wait_until(lambda: not rule.alerts.filter(state="firing").exists(), "the alerts to end")
        wait_until(lambda: len(server.mails) > 1, "the mail about the end")
        assert [it.partition(":")[0] for it in subjects(server)] == ["Firing", "Resolved"]
