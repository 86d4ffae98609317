"""Hand out the deliveries of pulled endpoints: to whom, in which order, how many, and when again."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone
from standardwebhooks import Webhook

from delivery.lifecycle.retry_endpoint import retry_endpoint
from delivery.lifecycle.sweep import recover, sweep
from delivery.models import Attempt, Delivery, Lane
from delivery.pulling import position
from delivery.pulling.cursor import new_session, read_cursor
from delivery.pulling.pull import pull
from delivery.pulling.reports import FailedReport
from delivery.sending.drain import deliver_due
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.endpoints.state import pause, resume
from subscriptions.errors import StateConflict
from subscriptions.models import Endpoint, SigningSecret
from tests.delivery.pulling.factories import (
    acknowledge,
    fail,
    let_lapse,
    make_pulled,
    publish_orders,
    pull_ids,
    pulled_ids,
)
from tests.factories import make_endpoint
from tests.threads import in_threads
from webhooks.wire.ids import public

pytestmark = pytest.mark.django_db(transaction=True)


def states(endpoint: Endpoint) -> list[str]:
    return list(Delivery.objects.filter(endpoint=endpoint).order_by("id").values_list("state", flat=True))


def test_message_has_the_bytes_and_headers_that_http_would_have() -> None:
    endpoint = make_pulled(secret="whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQh")
    (delivery_id,) = publish_orders(endpoint, data={"total": 5})
    (message,) = pull(endpoint.pk, 10).messages
    delivery = Delivery.objects.select_related("event").get(pk=delivery_id)
    assert message.body == bytes(delivery.event.body)
    assert message.headers["webhook-id"] == public("evt", delivery.event_id)
    assert message.headers["content-type"] == "application/cloudevents+json"
    verified = Webhook("whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQh").verify(message.body, message.headers)
    assert verified["data"] == {"total": 5}
    assert message.shown()["body"].encode() == message.body


def test_handed_out_message_is_not_handed_out_again_until_its_visibility_timeout_is_over() -> None:
    endpoint = make_pulled()
    first, second = publish_orders(endpoint, 2)
    assert pull_ids(endpoint, 1) == [first]
    assert pull_ids(endpoint) == [second]
    assert pull_ids(endpoint) == []
    let_lapse(endpoint)
    assert pull_ids(endpoint) == [first, second]
    attempts = Attempt.objects.filter(delivery=first)
    assert [(it.number, it.error, it.status) for it in attempts] == [(1, "timeout", None)]
    assert pull(endpoint.pk, 1).messages == ()


def test_recovery_task_settles_what_no_consumer_has_acknowledged() -> None:
    endpoint = make_pulled(retry_plan=[3600])
    (delivery_id,) = publish_orders(endpoint)
    pull_ids(endpoint)
    let_lapse(endpoint)
    assert recover() == 0
    delivery = Delivery.objects.get(pk=delivery_id)
    assert (delivery.state, delivery.attempts, delivery.step, delivery.last_error) == ("pending", 1, 1, "timeout")
    assert delivery.next_attempt_at is not None
    assert delivery.next_attempt_at > timezone.now() + timedelta(seconds=600)


def test_consumer_that_never_acknowledges_ends_in_dead_letters_after_the_retry_plan() -> None:
    endpoint = make_pulled(retry_plan=[1, 1])
    (delivery_id,) = publish_orders(endpoint)
    for _ in range(3):
        Delivery.objects.filter(state="pending").update(next_attempt_at=timezone.now())
        assert pull_ids(endpoint) == [delivery_id]
        let_lapse(endpoint)
        recover()
    assert pull_ids(endpoint) == []
    delivery = Delivery.objects.get(pk=delivery_id)
    letter = delivery.dead_letters.get()
    assert (delivery.state, delivery.attempts) == ("dead", 3)
    assert (letter.cause, letter.last_error) == ("exhausted", "timeout")


def test_no_drain_touches_what_is_pulled() -> None:
    pulled, sent = make_pulled(), make_endpoint(url="https://127.0.0.1:1/")
    publish_orders(pulled)
    Lane.objects.get_or_create(endpoint=sent, tenant=sent.tenant)
    lane = Lane.objects.get(endpoint=pulled)
    assert (lane.is_pulled, lane.due_at, lane.owner) == (True, None, None)
    sweep()
    recover()
    assert deliver_due(seconds=60, idle_timeout=0.1) == 0
    assert states(pulled) == ["pending"]
    lane.refresh_from_db()
    assert (lane.due_at, lane.endpoint_inactive) == (None, False)


def test_paused_endpoint_hands_out_nothing_and_takes_acknowledgements() -> None:
    endpoint = make_pulled()
    first, second = publish_orders(endpoint, 2)
    assert pull_ids(endpoint, 1) == [first]
    pause(endpoint)
    found = pull(endpoint.pk, 10)
    assert (found.messages, found.state) == ((), "paused")
    acknowledge(endpoint, first)
    assert states(endpoint) == ["delivered", "pending"]
    resume(endpoint)
    assert pull_ids(endpoint) == [second]


def test_endpoint_without_a_secret_hands_out_nothing() -> None:
    endpoint = make_pulled()
    publish_orders(endpoint)
    SigningSecret.objects.all().delete()
    with pytest.raises(StateConflict):
        pull(endpoint.pk, 10)
    assert states(endpoint) == ["pending"]


def test_deleted_endpoint_ends_in_dead_letters() -> None:
    endpoint = make_pulled()
    publish_orders(endpoint, 2)
    pull_ids(endpoint, 1)
    delete_endpoint(endpoint)
    with pytest.raises(Endpoint.DoesNotExist):
        pull(endpoint.pk, 10)
    let_lapse(endpoint)
    recover()
    sweep()
    deliver_due(seconds=60, idle_timeout=0.5)
    assert states(endpoint) == ["dead", "dead"]


def test_what_is_never_pulled_expires_after_a_week() -> None:
    endpoint = make_pulled()
    publish_orders(endpoint, 2)
    Delivery.objects.update(next_attempt_at=F("next_attempt_at") - timedelta(days=8))
    publish_orders(endpoint)
    sweep()
    assert states(endpoint) == ["dead", "dead", "pending"]
    assert {it.dead_letters.get().cause for it in Delivery.objects.filter(state="dead")} == {"expired"}


def test_two_consumers_at_once_get_every_message_once() -> None:
    endpoint = make_pulled()
    published = publish_orders(endpoint, 40)

    def consume() -> list[Any]:
        got = []
        while found := pull_ids(endpoint, 3):
            got += found
            acknowledge(endpoint, *found)
        return got

    one, other = in_threads(consume, consume)
    assert sorted(one + other) == sorted(published)
    assert set(states(endpoint)) == {"delivered"}
    assert Attempt.objects.count() == 40


@pytest.mark.parametrize("consumers", [1, 2])
def test_order_keys_are_handed_out_one_after_the_other(consumers: int) -> None:
    endpoint = make_pulled(ordering="subject")
    for subject in ("a", "b"):
        publish_orders(endpoint, 5, subject=subject)
    order = dict(Delivery.objects.values_list("id", "event__subject"))
    seen: list[Any] = []

    def consume() -> None:
        while True:
            found = pull(endpoint.pk, 10).messages
            if not found and not Delivery.objects.filter(state__in=["pending", "sending"]).exists():
                return
            keys = [it.order_key for it in found]
            assert len(keys) == len(set(keys))
            seen.extend(it.delivery_id for it in found)
            acknowledge(endpoint, *(it.delivery_id for it in found))

    assert in_threads(*[consume] * consumers) == [None] * consumers
    for subject in ("a", "b"):
        of_key = [it for it in seen if order[it] == subject]
        assert of_key == sorted(of_key)
        assert len(of_key) == 5


def test_failed_message_blocks_its_key_and_no_other() -> None:
    endpoint = make_pulled(ordering="subject", retry_plan=[60])
    first, second = publish_orders(endpoint, 2, subject="a")
    (other,) = publish_orders(endpoint, 1, subject="b")
    assert set(pull_ids(endpoint)) == {first, other}
    fail(endpoint, FailedReport(first))
    acknowledge(endpoint, other)
    assert pull_ids(endpoint) == []
    Delivery.objects.filter(pk=first).update(next_attempt_at=timezone.now())
    assert pull_ids(endpoint) == [first]
    acknowledge(endpoint, first)
    assert pull_ids(endpoint) == [second]


def test_search_for_order_keys_continues_behind_many_blocked_ones() -> None:
    endpoint = make_pulled(ordering="subject", max_in_flight=512)
    for number in range(300):
        publish_orders(endpoint, 1, subject=f"{number:03}")
    got: set[Any] = set()
    for _ in range(40):
        got |= set(pull_ids(endpoint, 10))
    assert len(got) == 300


def test_only_the_latest_of_each_key_is_handed_out() -> None:
    endpoint = make_pulled(latest_only="subject")
    *_, newest = publish_orders(endpoint, 3, subject="a")
    (message,) = pull(endpoint.pk, 10).messages
    assert message.delivery_id == newest
    assert message.headers["webhook-superseded"] == "2"
    assert states(endpoint) == ["superseded", "superseded", "sending"]


def test_number_handed_out_is_bound_by_max_in_flight() -> None:
    endpoint = make_pulled(max_in_flight=2)
    published = publish_orders(endpoint, 4)
    assert pull_ids(endpoint) == published[:2]
    assert pull_ids(endpoint) == []
    acknowledge(endpoint, published[0])
    assert pull_ids(endpoint) == [published[2]]


def test_rate_limit_bounds_what_is_handed_out_over_all_consumers() -> None:
    endpoint = make_pulled(rate_limit=1, rate_period="minute", rate_burst=3)
    publish_orders(endpoint, 10)
    one, other = in_threads(lambda: pull_ids(endpoint, 2), lambda: pull_ids(endpoint, 2))
    assert len(one + other) == 3
    found = pull(endpoint.pk, 10)
    assert found.messages == ()
    assert found.wait is not None
    assert 0 < found.wait <= 60
    Lane.objects.filter(endpoint=endpoint).update(next_slot_at=timezone.now() + timedelta(seconds=125))
    assert len(pull_ids(endpoint)) == 0
    Lane.objects.filter(endpoint=endpoint).update(next_slot_at=timezone.now() + timedelta(seconds=90))
    assert len(pull_ids(endpoint)) == 1


def test_session_that_continues_gets_again_what_did_not_arrive() -> None:
    endpoint = make_pulled()
    published = publish_orders(endpoint, 6)
    first = pull(endpoint.pk, 2)
    lost = pull(endpoint.pk, 2, first.cursor)
    assert pulled_ids(lost) == published[2:4]
    other = pull(endpoint.pk, 1)
    again = pull(endpoint.pk, 10, first.cursor)
    assert set(pulled_ids(again)) == {*published[2:4], published[5]}
    assert pulled_ids(other) == [published[4]]
    assert not Attempt.objects.exists()
    assert all(it.attempt == 1 for it in again.messages)


def test_session_that_began_with_nothing_continues() -> None:
    endpoint = make_pulled()
    empty = pull(endpoint.pk, 2)
    published = publish_orders(endpoint, 1)
    assert pulled_ids(pull(endpoint.pk, 2, empty.cursor)) == published
    assert pulled_ids(pull(endpoint.pk, 2, empty.cursor)) == published


def test_retrying_all_of_the_endpoint_makes_what_has_failed_due() -> None:
    endpoint = make_pulled(retry_plan=[3600])
    published = publish_orders(endpoint, 3)
    pull_ids(endpoint)
    fail(endpoint, *(FailedReport(it) for it in published))
    assert pull_ids(endpoint) == []
    retry_endpoint(endpoint)
    assert pull_ids(endpoint) == published


def test_cursor_is_read_as_it_was_written() -> None:
    cursor = new_session()
    assert read_cursor(str(cursor)) == cursor
    for text in ("", "x", "é" * 64, "A" * 60, str(cursor)[:-4]):
        with pytest.raises(ValueError):  # noqa: PT011
            read_cursor(text)


def test_wait_lasts_until_the_next_retry_or_visibility_timeout() -> None:
    endpoint = make_pulled(retry_plan=[600])
    assert pull(endpoint.pk, 1).wait is None
    (delivery_id,) = publish_orders(endpoint)
    pull_ids(endpoint)
    found = pull(endpoint.pk, 1)
    assert found.wait is not None
    assert 1 < found.wait <= 30
    fail(endpoint, FailedReport(delivery_id))
    found = pull(endpoint.pk, 1)
    assert found.wait is not None
    assert 300 < found.wait <= 720


def test_late_commit_below_the_position_is_handed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = make_pulled()
    publish_orders(endpoint, 2)
    assert len(pull_ids(endpoint)) == 2
    (late,) = publish_orders(endpoint)
    Delivery.objects.filter(pk=late).update(next_attempt_at=timezone.now() - timedelta(hours=1))
    monkeypatch.setattr(position, "WHOLE_LOOK_EVERY", -1.0)
    assert pull_ids(endpoint) == [late]
