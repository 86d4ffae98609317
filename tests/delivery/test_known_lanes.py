"""Test what a process remembers of which endpoints have a lane."""

import pytest
from django.db import transaction

from delivery import notify
from delivery.models import Lane
from delivery.notify import KnownLanes
from tests.factories import make_endpoint
from webhooks.wire.ids import new_id


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> KnownLanes:
    known = KnownLanes()
    monkeypatch.setattr(notify, "known_lanes", known)
    return known


def test_lanes_that_were_added_are_known_up_to_a_number_of_them() -> None:
    known, keys = KnownLanes(most=3), [new_id() for _ in range(5)]
    known.add(keys[:2])
    assert known.missing_of(keys) == keys[2:]
    known.add(keys[2:4])
    assert known.missing_of(keys) == [*keys[:2], keys[4]]
    known.add(keys)
    assert known.missing_of(keys) == keys[3:]


@pytest.mark.django_db(transaction=True)
def test_lane_that_a_mark_has_created_is_known_and_marked_again(known: KnownLanes) -> None:
    endpoint = make_endpoint()
    notify.notify_drains([endpoint.id])
    assert known.missing_of([endpoint.id]) == []
    Lane.objects.update(due_at=None)
    notify.notify_drains([endpoint.id])
    assert Lane.objects.get().due_at is not None


@pytest.mark.django_db(transaction=True)
def test_lane_of_a_transaction_that_was_rolled_back_is_not_known(known: KnownLanes) -> None:
    endpoint = make_endpoint()
    with transaction.atomic():
        notify.notify_drains([endpoint.id])
        transaction.set_rollback(True)
    assert not Lane.objects.exists()
    notify.notify_drains([endpoint.id])
    assert Lane.objects.get().endpoint_id == endpoint.id
