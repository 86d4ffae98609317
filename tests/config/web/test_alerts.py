"""Web processes evaluate alert rules while no worker does, and each rule once."""

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail

from config.web import alerts
from delivery.alerts import evaluate
from delivery.alerts.rules import create_rule
from delivery.models import Alert, AlertRule
from tests.delivery.alerts.factories import make_failing
from tests.factories import make_endpoint
from webhooks.kit.fair.threads import FairThreads
from webhooks.kit.sql import database_now

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def neglected_rule(settings: Any) -> AlertRule:
    """The only rule, which finds something, has a person to tell, and has waited for a minute."""
    settings.WAYPOST_MAIL_FROM = "alerts@example.com"
    AlertRule.objects.update(due_at=None, enabled=False)
    make_failing(make_endpoint())
    channels = [{"type": "email", "email": "ops@example.com"}]
    rule = create_rule(None, name="Fails", condition="endpoint_failing", channels=channels)
    AlertRule.objects.filter(pk=rule.pk).update(due_at=database_now() - timedelta(minutes=1))
    return rule


def take_over(threads: int = 1) -> None:
    """Take over as so many processes do, each with a connection of its own."""
    started = [threading.Thread(target=alerts.take_over) for _ in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def test_neglected_rule_is_evaluated_and_its_mail_sent() -> None:
    assert alerts.are_neglected()
    take_over()
    assert (Alert.objects.get().state, len(mail.outbox)) == ("firing", 1)
    assert not alerts.are_neglected()


def test_several_processes_that_take_over_make_one_alert_and_one_mail() -> None:
    take_over(4)
    assert (Alert.objects.count(), len(mail.outbox)) == (1, 1)


def test_failure_is_logged_and_ends_no_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**_: object) -> int:
        raise RuntimeError("no condition")

    monkeypatch.setattr(evaluate, "run", fail)
    take_over()
    assert "no condition" in caplog.text


def test_process_looks_again_and_again_and_takes_over_beside_its_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    async def turn() -> None:
        alerts.start(FairThreads(1, "probe"))
        while len(taken) < 2:
            await asyncio.sleep(0.01)

    monkeypatch.setattr(alerts, "FIRST_LOOK", 0.01)
    monkeypatch.setattr(alerts, "LOOK_EVERY", 0.01)
    monkeypatch.setattr(alerts, "are_neglected", lambda: True)
    monkeypatch.setattr(alerts, "take_over", lambda: taken.append(threading.current_thread().name))
    asyncio.run(turn())
    assert set(taken) == {"alerts"}
