"""Test that a publisher learns whether its events are committed, even if the connection breaks."""

from typing import Any

import pytest
from django.db import Error, connections, transaction

from delivery import notify
from delivery.models import Delivery, Event
from delivery.publishing import store
from delivery.publishing.publisher import publish
from delivery.publishing.results import Published
from delivery.sql import publish as publish_sql
from delivery.sql.publish import INSERT_EVENTS
from subscriptions.models import Tenant
from tests.factories import make_subscription

pytestmark = pytest.mark.django_db(transaction=True)
EVENT = {"id": "o-1", "source": "/orders", "type": "order.created", "data": {"n": 1}}


@pytest.fixture
def tenant(monkeypatch: pytest.MonkeyPatch) -> Tenant:
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)
    return make_subscription().tenant


def break_connection(monkeypatch: pytest.MonkeyPatch, *, commits: bool, times: int = 1) -> None:
    """Break the connection at the next ``times`` inserts of events, after the commit (``commits``) or before it.

    An insert is one statement in a transaction of its own.
    """
    left = [times]
    run = publish_sql.run

    def broken(statement: str, parameters: Any) -> Any:
        if statement is INSERT_EVENTS and left[0]:
            left[0] -= 1
            if commits:
                run(statement, parameters)
            connections["default"].connection.pgconn.finish()
        return run(statement, parameters)  # raises the connection error

    monkeypatch.setattr(publish_sql, "run", broken)


@pytest.mark.parametrize("commits", [True, False])
def test_publish_with_a_lost_commit_result_finds_out_whether_it_committed(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, commits: bool
) -> None:
    break_connection(monkeypatch, commits=commits)
    (result,) = publish(tenant, [EVENT])
    event = Event.objects.get()
    assert result == Published(event.id, "/orders", "o-1", deliveries=1)
    assert Delivery.objects.get().event_id == event.id


def test_publish_with_a_connection_that_keeps_breaking_raises(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "RETRY_FOR", 0.0)
    break_connection(monkeypatch, commits=False, times=2)
    with pytest.raises(Error):
        publish(tenant, [EVENT])
    assert not Event.objects.exists()


def test_publish_in_a_transaction_of_the_caller_does_not_retry(tenant: Tenant) -> None:
    def business() -> None:
        with transaction.atomic():
            connections["default"].connection.pgconn.finish()
            publish(tenant, [EVENT])

    with pytest.raises(Error):
        business()
    assert not Event.objects.exists()
