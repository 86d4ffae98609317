"""A worker beats, with a connection of its own if it has processes, also while the broker is away."""

from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.concurrency.solo import TaskPool as SoloPool
from django.conf import settings
from kombu.connection import Connection

from config.celery import app
from config.ops import side_connection, worker_heartbeat
from config.ops.side_connection import SideConnection
from config.ops.worker_heartbeat import READING, HeartbeatStep, WatchedConsumer, beat
from delivery.load import heartbeats, roles
from delivery.models import Heartbeat
from webhooks.kit.process import pulse as module
from webhooks.kit.process.pulse import Pulse


@pytest.fixture(autouse=True)
def own_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test leave a heartbeat or a connection to the others."""
    monkeypatch.setattr(heartbeats, "_begun", {})


def consumer_of(pool: Any, *queues: str) -> Any:
    amqp = SimpleNamespace(queues=SimpleNamespace(consume_from=dict.fromkeys(queues)))
    return SimpleNamespace(pool=pool, hostname="deliver2@machine", app=SimpleNamespace(amqp=amqp))


def test_workers_use_the_consumer_that_beats() -> None:
    assert f"{WatchedConsumer.__module__}:{WatchedConsumer.__qualname__}" == settings.CELERY_WORKER_CONSUMER
    assert app.conf.worker_consumer == settings.CELERY_WORKER_CONSUMER


@pytest.mark.django_db
def test_worker_without_processes_writes_its_heartbeat() -> None:
    beat(consumer_of(SoloPool(None), "delivery"))
    row = Heartbeat.objects.get()
    assert (row.role, row.name) == (roles.DRAIN, "deliver2")


@pytest.mark.django_db(transaction=True)
def test_parent_of_processes_writes_on_a_connection_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    own = SideConnection("heartbeat-test")
    monkeypatch.setattr(side_connection, "shared", own)
    try:
        beat(consumer_of(object(), "default", "delivery"))
    finally:
        own.close()
    assert Heartbeat.objects.get().role == roles.WORKER


@pytest.mark.django_db(transaction=True)
def test_parent_goes_on_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    own = SideConnection("heartbeat-test")
    monkeypatch.setattr(own, "_parameters", lambda: {"host": "127.0.0.1", "port": "1"})
    monkeypatch.setattr(side_connection, "shared", own)
    beat(consumer_of(object(), "default"))
    assert Heartbeat.objects.count() == 0


@pytest.mark.django_db
def test_reading_of_sources_has_a_heartbeat_of_its_own() -> None:
    worker_heartbeat._on_reading(task=SimpleNamespace(name="delivery.sweep"))
    assert Heartbeat.objects.count() == 0
    worker_heartbeat._on_reading(task=SimpleNamespace(name=READING))
    row = Heartbeat.objects.get()
    assert (row.role, row.last_work) == (roles.READER, READING)


def consumer_without_broker() -> Any:
    away = Celery("away", broker="redis://127.0.0.1:1/0", set_as_current=False)
    away.conf.update(broker_connection_max_retries=1, broker_connection_retry_on_startup=True)
    controller = SimpleNamespace(use_eventloop=False)
    return WatchedConsumer(
        lambda *_: None, app=away, pool=SoloPool(None), hostname="work@machine", controller=controller
    )


def test_consumer_beats_while_it_waits_for_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    beats: list[Any] = []
    monkeypatch.setattr(worker_heartbeat, "beat", beats.append)
    consumer = consumer_without_broker()
    with pytest.raises(Exception, match=r"(?i)refused|connect"):
        consumer.connection_for_read()
    assert beats
    assert set(beats) == {consumer}
    assert HeartbeatStep in consumer.app.steps["consumer"]


def test_consumer_tries_every_two_seconds_however_long_the_broker_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {}
    monkeypatch.setattr(Connection, "ensure_connection", lambda _connection, *_, **given: options.update(given))
    consumer_without_broker().connection_for_read()
    assert options["interval_max"] == 2.0
    assert app.conf.broker_connection_max_retries is None


def test_beat_touches_the_file_of_the_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    pulse = Pulse()
    monkeypatch.setattr(worker_heartbeat, "pulse", pulse)
    pulse.begin(tmp_path / "work")
    module.os.utime(tmp_path / "work", (1.0, 1.0))
    monkeypatch.setattr(heartbeats.HeartbeatWriter, "is_due", lambda _heartbeat: False)
    beat(consumer_of(object(), "default"))
    assert (tmp_path / "work").stat().st_mtime > 1.0
