"""Test the resident drain: it stays when nothing is due, wakes up for what is, and another one ends."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from delivery import notify
from delivery.models import Delivery, Lane
from delivery.publishing.publisher import publish
from delivery.sending import claiming, shutdown
from delivery.sending.drain import deliver_due
from delivery.sql.due import become_resident, end_residence
from tests.delivery.sql.factories import now
from tests.factories import make_endpoint, make_subscription
from tests.receiver import Receiver
from tests.waiting import wait_until


class Drain(threading.Thread):
    """A drain in a thread, with a connection of its own, that may stay."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.stopping = threading.Event()
        self.asked = 0
        self._options = {"idle_timeout": 0.05, "stopping": self.stopping.is_set, "stay": self._stay, **options}

    def run(self) -> None:
        try:
            deliver_due(**self._options)
        finally:
            end_residence()
            connection.close()

    def _stay(self) -> bool:
        self.asked += 1
        return become_resident()


@pytest.mark.django_db(transaction=True)
def test_one_idle_drain_stays_and_the_other_ends() -> None:
    first, second = Drain(), Drain()
    first.start()
    while first.asked < 2:
        time.sleep(0.01)
    second.start()
    second.join()
    assert second.asked == 1
    assert first.is_alive()
    first.stopping.set()
    first.join()


@pytest.mark.django_db(transaction=True)
def test_drain_ends_when_idle_unless_it_is_to_stay() -> None:
    assert deliver_due(idle_timeout=0.05) == 0


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an idle drain wake up by itself only when a lane is due."""
    monkeypatch.setattr(claiming, "seconds_until", lambda _every: 3_600.0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("asleep")
def test_idle_drain_wakes_up_when_a_lane_is_due(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    monkeypatch.setattr(notify, "notify_drains", lambda *_: None)
    with Receiver() as receiver:
        endpoint = make_subscription(make_endpoint(url=receiver.url())).endpoint
        publish(endpoint.tenant, [{"type": "order.created", "data": {}}])
        later = now() + timedelta(seconds=2)
        Delivery.objects.update(next_attempt_at=later)
        Lane.objects.update_or_create(endpoint=endpoint, defaults={"tenant": endpoint.tenant, "due_at": later})
        resident = Drain()
        resident.start()
        try:
            receiver.wait_for(1)
        finally:
            resident.stopping.set()
            notify.notify_drains_of_stopped(set())
            resident.join()
    assert now() >= later


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("asleep")
def test_idle_drain_ends_at_once_when_its_worker_is_stopped() -> None:
    shutdown.renew_stop_flag()
    resident = Drain(stopping=shutdown.is_stopping)
    resident.start()
    try:
        wait_until(lambda: resident.asked > 0, "an idle drain")
        shutdown.request_stop()
        resident.join()
    finally:
        shutdown.renew_stop_flag()
