"""Wait for messages of pulled endpoints: who is woken by what, over real connections of PostgreSQL."""

from collections.abc import Iterator

import pytest
from django.db import connection

from delivery import notify
from delivery.pulling.waiting import Waiters
from delivery.sql.due import CHANNEL, notify_stopped
from tests.delivery.pulling.factories import make_pulled, publish_orders
from tests.waiting import wait_until
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db(transaction=True)
LONG = 60.0  # seconds, longer than a test takes


@pytest.fixture
def waiters() -> Iterator[Waiters]:
    made = Waiters()
    made.wait(new_id(), LONG).result(LONG)  # it listens now
    made.wait(new_id(), LONG)  # and goes on listening
    yield made
    notify_stopped()
    wait_until(lambda: made.waiting() == 0, "all waits to end")


def test_publish_ends_the_wait_of_its_endpoint_only(waiters: Waiters) -> None:
    endpoint, other = make_pulled(), make_pulled()
    waiting, patient = waiters.wait(endpoint.pk, LONG), waiters.wait(other.pk, LONG)
    publish_orders(endpoint)
    waiting.result(LONG)
    assert not patient.done()


def test_wait_ends_when_its_time_is_over(waiters: Waiters) -> None:
    patient = waiters.wait(new_id(), LONG)
    waiters.wait(new_id(), 0.05).result(LONG)
    assert not patient.done()


def test_notification_without_names_ends_all_waits(waiters: Waiters) -> None:
    some = [waiters.wait(new_id(), LONG) for _ in range(3)]
    notify_stopped()
    for waiter in some:
        waiter.result(LONG)
    wait_until(lambda: waiters.waiting() == 0, "all waits to end")


def test_cancelled_wait_does_not_disturb_the_others(waiters: Waiters) -> None:
    endpoint = make_pulled()
    cancelled, waiting = waiters.wait(endpoint.pk, LONG), waiters.wait(endpoint.pk, LONG)
    cancelled.cancel()
    notify.notify_consumers([endpoint.pk])
    waiting.result(LONG)


def test_lost_connection_ends_waits_and_is_made_again(waiters: Waiters) -> None:
    endpoint = make_pulled()
    waiting = waiters.wait(endpoint.pk, LONG)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE %s AND pid <> pg_backend_pid()",
            [f'%LISTEN "{CHANNEL}"%'],
        )
    waiting.result(LONG)
    again = waiters.wait(endpoint.pk, LONG)

    def is_woken() -> bool:
        publish_orders(endpoint)
        return again.done()

    wait_until(is_woken, "the listener to be back", every=0.2)
