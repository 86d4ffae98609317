"""A ring that nobody heard costs time, not events."""

from typing import Any

import pytest

from delivery import notify
from delivery.models import Lane
from tests.journeys.conftest import Crew
from tests.journeys.owed import delivered, publish_to, subscribed
from tests.receiver import Receiver
from tests.waiting import wait_until
from webhooks.kit.notify import send_task


def test_without_a_message_to_the_workers_it_is_delivered_when_beat_rings(
    crew: Crew, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)
    endpoint = subscribed(receiver.url())
    publish_to(endpoint)
    crew.start("beat", "deliver")
    wait_until(lambda: delivered(endpoint) == 1, "the delivery")


def test_a_publisher_that_dies_after_its_commit_has_its_debts_found_by_the_sweep(
    crew: Crew, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No lane is marked: of one endpoint there is none yet, of the other nobody knows that it owes.
    The sweep is called for, as beat does every minute."""
    new, known = subscribed(receiver.url("/new")), subscribed(receiver.url("/known"))
    Lane.objects.create(endpoint=known, tenant=known.tenant)

    def die(*_: Any) -> None:
        """Nothing after the commit happens any more."""

    def is_swept() -> bool:
        send_task("delivery.sweep", "default")
        return delivered(new) + delivered(known) == 6

    with monkeypatch.context() as dying:
        dying.setattr(notify, "notify_drains", die)
        for endpoint in (new, known):
            publish_to(endpoint, 3)
    assert not Lane.objects.filter(due_at__isnull=False).exists()
    crew.start("beat", "deliver", "work")
    wait_until(is_swept, "the deliveries", every=0.5)
    assert set(receiver.counts().values()) == {1}
