"""Whoever publishes is told the truth about the commit, also when the connection breaks around it."""

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


def break_connection(monkeypatch: pytest.MonkeyPatch, *, counts: bool, times: int = 1) -> None:
    """The next times events are taken nobody answers: the server dies just after (``counts``) or just before. Taking
    is one statement, and a transaction of its own."""
    left = [times]
    run = publish_sql.run

    def broken(statement: str, parameters: Any) -> Any:
        if statement is INSERT_EVENTS and left[0]:
            left[0] -= 1
            if counts:
                run(statement, parameters)
            connections["default"].connection.pgconn.finish()
        return run(statement, parameters)  # raises what it raises

    monkeypatch.setattr(publish_sql, "run", broken)


@pytest.mark.parametrize("counts", [True, False])
def test_a_commit_whose_answer_is_lost_is_found_out(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, counts: bool
) -> None:
    break_connection(monkeypatch, counts=counts)
    (result,) = publish(tenant, [EVENT])
    event = Event.objects.get()
    assert result == Published(event.id, "/orders", "o-1", deliveries=1)
    assert Delivery.objects.get().event_id == event.id


def test_a_connection_that_keeps_breaking_is_an_error(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "RETRY_FOR", 0.0)
    break_connection(monkeypatch, counts=False, times=2)
    with pytest.raises(Error):
        publish(tenant, [EVENT])
    assert not Event.objects.exists()


def test_in_a_transaction_of_the_caller_it_is_his_to_begin_again(tenant: Tenant) -> None:
    def business() -> None:
        with transaction.atomic():
            connections["default"].connection.pgconn.finish()
            publish(tenant, [EVENT])

    with pytest.raises(Error):
        business()
    assert not Event.objects.exists()
