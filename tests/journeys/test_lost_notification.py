"""Test that a lost notification delays deliveries and loses none."""

from typing import Any

import pytest

from delivery import notify
from delivery.models import Lane
from tests.journeys.conftest import Workers
from tests.journeys.deliveries import delivered, publish_to, subscribed_endpoint
from tests.receiver import Receiver
from tests.waiting import wait_until
from webhooks.kit.notify import send_task


def test_event_without_notification_is_delivered_at_the_next_look_of_the_schedule(
    workers: Workers, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)
    endpoint = subscribed_endpoint(receiver.url())
    publish_to(endpoint)
    workers.start("beat", "deliver")
    wait_until(lambda: delivered(endpoint) == 1, "the delivery")


def test_events_of_a_publisher_that_dies_after_its_commit_are_found_by_the_sweep(
    workers: Workers, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No lane is due: one endpoint has none yet, the other's was not marked. The test starts the sweep, as the schedule
    does every minute.
    """
    new, known = subscribed_endpoint(receiver.url("/new")), subscribed_endpoint(receiver.url("/known"))
    Lane.objects.create(endpoint=known, tenant=known.tenant)

    def die(*_: Any) -> None:
        """Skip the notification after the commit."""

    def is_swept() -> bool:
        send_task("delivery.sweep", "default")
        return delivered(new) + delivered(known) == 6

    with monkeypatch.context() as dying:
        dying.setattr(notify, "notify_drains", die)
        for endpoint in (new, known):
            publish_to(endpoint, 3)
    assert not Lane.objects.filter(due_at__isnull=False).exists()
    workers.start("deliver", "work")
    wait_until(is_swept, "the deliveries", every=0.5)
    assert set(receiver.counts().values()) == {1}
