"""A ring is heard, coalesced, and never anybody's trouble."""

import threading
from types import SimpleNamespace

import pytest
from celery import current_app

from webhooks import tasks
from webhooks.kit import notify
from webhooks.kit.notify import Bell
from webhooks.telemetry import wakeups_failed


class Broker:
    """Stands where Celery would send."""

    conf = SimpleNamespace(broker_url="memory://")

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, object]]] = []
        self.heard = threading.Event()

    def send_task(self, name: str, **options: object) -> None:
        self.sent.append((name, options))
        self.heard.set()


class Silent(Broker):
    def send_task(self, name: str, **options: object) -> None:
        raise ConnectionRefusedError


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(notify, "current_app", broker)
    return broker


def test_a_ring_is_an_empty_message_to_the_default_queue(broker: Broker) -> None:
    Bell().ring()
    broker.heard.wait()
    name, options = broker.sent[0]
    assert (name, options["queue"]) == ("webhooks.process_due", "default")
    assert not {"args", "kwargs"} & options.keys()


def test_many_rings_are_few_messages(broker: Broker) -> None:
    bell = Bell()
    for _ in range(10_000):
        bell.ring()
    broker.heard.wait()
    assert len(broker.sent) < 100


def test_a_ring_that_fails_is_counted_and_never_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "current_app", Silent())
    before = wakeups_failed._value.get()
    assert notify.send() is False
    assert wakeups_failed._value.get() == before + 1


def test_a_project_without_a_broker_has_nobody_to_ring_for(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "conf", SimpleNamespace(broker_url=None))
    before = wakeups_failed._value.get()
    assert notify.send() is True
    assert (broker.sent, wakeups_failed._value.get()) == ([], before)


def test_the_task_that_is_rung_for_exists() -> None:
    assert tasks.process_due_receipts.name == notify.TASK
    assert {"webhooks.process_due", "webhooks.sweep"} <= current_app.tasks.keys()
