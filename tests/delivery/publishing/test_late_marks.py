"""Lanes whose drains the commit has notified are marked later, for the case that they were released just before."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest
from django.utils.timezone import now

from delivery import notify
from delivery.models import Delivery, Lane
from delivery.publishing.group_publish import may_notify, publish_in_group
from delivery.publishing.late_marks import LateMarks
from delivery.sql.due import Notification, read_notification
from subscriptions.models import Endpoint
from tests.delivery.sql.factories import make_lane
from tests.factories import make_endpoint, make_subscription
from tests.waiting import wait_until
from webhooks.kit.notify import Listener
from webhooks.wire.ids import new_id

OWNER = new_id()

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with closing(notify.listen(new_id())) as listener:
        yield listener


@pytest.fixture
def endpoint() -> Endpoint:
    endpoint = make_endpoint()
    make_subscription(endpoint, event_types=["t"])
    make_lane(endpoint, owner=OWNER, due_at=now() + timedelta(seconds=10))
    return endpoint


def release(endpoint: Endpoint) -> None:
    Lane.objects.filter(endpoint=endpoint).update(owner=None, due_at=None)


def test_lane_that_was_released_is_marked_due_and_the_drains_are_notified(
    endpoint: Endpoint, listener: Listener
) -> None:
    release(endpoint)
    marks = LateMarks(lambda mark: mark())
    marks.add([endpoint.id])
    assert Lane.objects.get().due_at is not None
    (payload,) = wait_until(listener.received, "the notification")
    assert read_notification(payload) == Notification(True, frozenset({endpoint.id}), False)


def test_lane_that_is_leased_stays_as_it_is_and_no_drain_is_notified(endpoint: Endpoint, listener: Listener) -> None:
    due_at = Lane.objects.get().due_at
    LateMarks(lambda mark: mark()).add([endpoint.id])
    assert Lane.objects.get().due_at == due_at
    assert not listener.received()


def test_marks_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[LateMarks] = []
    monkeypatch.setattr(LateMarks, "start_timer", lambda marks: started.append(marks))
    marks = LateMarks(lambda mark: mark())
    endpoints = [make_endpoint() for _ in range(3)]
    for endpoint in endpoints:
        marks.add([endpoint.id])
    assert started == [marks]
    assert not Lane.objects.exists()
    marks.mark()
    assert Lane.objects.filter(due_at__isnull=False).count() == len(endpoints)
    marks.add([endpoints[0].id])
    assert started == [marks, marks]


@pytest.mark.parametrize(("processes", "requests", "may"), [(1, 1, True), (1, 50, True), (4, 1, True), (4, 2, False)])
def test_commit_notifies_unless_other_processes_are_likely_to_commit_too(
    settings: Any, processes: int, requests: int, may: bool
) -> None:
    settings.WAYPOST_WEB_WORKERS = processes
    assert may_notify(requests) is may


def test_event_published_while_its_lane_is_released_is_not_lost(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The publisher sees the lease; the owner releases the lane, and looks for deliveries before the commit."""
    started: list[LateMarks] = []
    monkeypatch.setattr(LateMarks, "start_timer", lambda marks: started.append(marks))
    publish_in_group(endpoint.tenant, [{"type": "t", "data": {}}])
    assert Delivery.objects.get().state == Delivery.State.PENDING
    (marks,) = started
    release(endpoint)  # as if it had rechecked before the commit
    marks.mark()
    assert Lane.objects.get().due_at is not None
