"""Sending one delivery again: in which states, what is recorded, and when it is refused."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.models import Delivery, Lane, Replay
from delivery.replaying.resend import resend
from subscriptions.errors import StateConflict
from subscriptions.models import Endpoint
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import make_endpoint, make_subscription
from tests.statements import before_statements
from tests.threads import in_threads

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


def make(endpoint: Endpoint, state: str, **changes: Any) -> Delivery:
    delivery = make_delivery(make_event(endpoint.tenant), endpoint, state=state, **changes)
    if state == "dead":
        make_dead_letter(delivery)
    return delivery


@pytest.mark.parametrize("state", ["delivered", "dead", "cancelled"])
def test_finished_delivery_is_due_with_a_new_retry_plan_and_its_bytes(endpoint: Endpoint, state: str) -> None:
    delivery = make(endpoint, state, attempts=10, step=9, body=b"as it was sent", next_attempt_at=None)
    resend(delivery, "ops")
    delivery.refresh_from_db()
    assert delivery.next_attempt_at is not None
    assert (delivery.state, delivery.attempts, delivery.step) == ("pending", 10, 0)
    assert bytes(delivery.body or b"") == b"as it was sent"


@pytest.mark.parametrize("state", ["delivered", "dead", "cancelled"])
def test_finished_delivery_gets_a_finished_replay_of_one(endpoint: Endpoint, state: str) -> None:
    delivery = make(endpoint, state)
    resend(delivery, "ops")
    row = Replay.objects.get()
    delivery.refresh_from_db()
    assert delivery.replay_id == row.id
    assert (row.requested_by, row.state, row.total, row.replayed) == ("ops", "finished", 1, 1)
    assert all(letter.closed_by == "ops" for letter in delivery.dead_letters.all())


def test_endpoint_without_a_subscription_gets_it_too(endpoint: Endpoint) -> None:
    delivery = make(endpoint, "delivered")
    make_subscription(make_endpoint(endpoint.tenant))
    resend(delivery, "ops")
    assert Delivery.objects.get().state == "pending"


def test_pending_delivery_is_due_now_without_a_replay(endpoint: Endpoint) -> None:
    delivery = make(endpoint, "pending", step=4, next_attempt_at=timezone.now() + timedelta(hours=5))
    resend(delivery, "ops")
    delivery.refresh_from_db()
    assert delivery.next_attempt_at is not None
    assert delivery.next_attempt_at <= timezone.now()
    assert (delivery.step, Replay.objects.count()) == (4, 0)


def test_lane_with_an_open_breaker_is_due(endpoint: Endpoint, django_capture_on_commit_callbacks: Any) -> None:
    soon = timezone.now() + timedelta(minutes=15)
    Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, due_at=soon, circuit_open_until=soon, open_count=3)
    with django_capture_on_commit_callbacks(execute=True):
        resend(make(endpoint, "delivered"), "ops")
    lane = Lane.objects.get()
    assert lane.due_at is not None
    assert lane.due_at <= timezone.now()


def refuse(delivery: Delivery, reason: str = "") -> str:
    """Return the field of the error, which has this reason, and check that nothing was changed."""
    with pytest.raises(StateConflict) as refused:
        resend(Delivery.objects.get(id=delivery.id), "ops")
    assert (Delivery.objects.get(id=delivery.id).state, Replay.objects.count()) == (delivery.state, 0)
    assert reason in str(refused.value)
    return refused.value.field


def test_delivery_that_is_being_sent_is_refused(endpoint: Endpoint) -> None:
    assert refuse(make(endpoint, "sending")) == "state"


@pytest.mark.parametrize("state", ["delivered", "dead", "pending"])
def test_delivery_to_a_disabled_or_deleted_endpoint_is_refused(endpoint: Endpoint, state: str) -> None:
    delivery = make(endpoint, state)
    Endpoint.objects.update(state="disabled")
    assert refuse(delivery) == "endpoint"
    Endpoint.objects.update(state="active", deleted_at=timezone.now())
    assert refuse(delivery) == "endpoint"


def test_delivery_of_an_erased_event_is_refused(endpoint: Endpoint) -> None:
    delivery = make_delivery(
        make_event(endpoint.tenant, payload_deleted_at=timezone.now()), endpoint, state="delivered"
    )
    assert refuse(delivery) == "event"


def test_dead_delivery_whose_transformation_fails_again_stays_dead(endpoint: Endpoint) -> None:
    make_subscription(endpoint, transformer={"input_paths": {"n": "$.data"}, "template": "{<n>: 1}"})
    delivery = make_delivery(make_event(endpoint.tenant), endpoint, state="dead")
    make_dead_letter(delivery, cause="transformation_failed")
    assert refuse(delivery, "its transformation fails: the result is not JSON") == "state"


def test_dead_delivery_whose_subscription_was_deleted_stays_dead(endpoint: Endpoint) -> None:
    delivery = make_delivery(make_event(endpoint.tenant), endpoint, state="dead")
    make_dead_letter(delivery, cause="transformation_failed")
    assert refuse(delivery, "no subscription of the endpoint matches the event any more") == "state"


@pytest.mark.parametrize("state", ["delivered", "cancelled"])
def test_delivery_that_another_request_has_sent_again_is_refused_for_that(endpoint: Endpoint, state: str) -> None:
    delivery = make(endpoint, state, started_at=timezone.now() + timedelta(seconds=60))
    assert refuse(delivery, "Another request has sent it again meanwhile") == "state"


def test_dead_delivery_that_died_again_is_refused_for_the_other_request(endpoint: Endpoint) -> None:
    delivery = make_delivery(make_event(endpoint.tenant), endpoint, state="dead")
    make_dead_letter(delivery, failed_at=timezone.now() + timedelta(seconds=60))
    assert refuse(delivery, "Another request has sent it again meanwhile") == "state"


@pytest.mark.django_db(transaction=True)
def test_delivery_that_changes_while_it_is_replayed_is_refused_with_its_new_state(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = make(endpoint, "delivered")

    def change(statement: Any) -> None:
        if 'INSERT INTO "delivery_replay"' in str(statement) and threading.current_thread() is threading.main_thread():
            in_threads(lambda: Delivery.objects.update(state="pending"))

    before_statements(monkeypatch, change)
    with pytest.raises(StateConflict, match="Another request has changed it meanwhile: it is pending now"):
        resend(delivery, "ops")


def test_dead_delivery_without_a_dead_letter_is_refused_and_no_other_is_sent(endpoint: Endpoint) -> None:
    other = make(endpoint, "dead")
    delivery = make_delivery(make_event(endpoint.tenant), endpoint, state="dead")
    assert refuse(delivery, "its dead letter was discarded, or is gone") == "state"
    other.refresh_from_db()
    assert other.state == "dead"
