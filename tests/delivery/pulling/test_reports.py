"""Settle what consumers report: acknowledgements, failures and extensions, in time and too late."""

from datetime import timedelta

import pytest
from django.utils import timezone

from delivery.fan_out import deferred
from delivery.models import Attempt, Delivery, HourlyStats, PendingResult
from delivery.operational import publish_results
from delivery.pulling.lapsed import settle_lapsed
from delivery.pulling.pull import pull
from delivery.pulling.reports import FailedReport, Report, Result
from subscriptions.models import Endpoint
from tests.delivery.pulling.factories import acknowledge, fail, let_lapse, make_pulled, publish_orders, pull_ids, report
from tests.factories import make_endpoint
from tests.threads import in_threads
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db(transaction=True)


def test_acknowledged_message_is_delivered_with_one_attempt_and_counted() -> None:
    endpoint = make_pulled()
    (key,) = publish_orders(endpoint)
    pull_ids(endpoint)
    assert acknowledge(endpoint, key) == {key: Result.ACKNOWLEDGED}
    assert acknowledge(endpoint, key) == {key: Result.ACKNOWLEDGED}
    delivery = Delivery.objects.get(pk=key)
    assert (delivery.state, delivery.attempts, delivery.last_error, delivery.token) == ("delivered", 1, "", None)
    attempt = Attempt.objects.get(delivery=key)
    assert (attempt.number, attempt.error, attempt.status) == (1, "", None)
    hour = HourlyStats.objects.get(endpoint=endpoint)
    assert (hour.attempts, hour.delivered, hour.rejected) == (1, 1, 0)


def test_failed_message_keeps_the_reason_and_goes_on_with_the_retry_plan() -> None:
    endpoint = make_pulled(retry_plan=[3600])
    (key,) = publish_orders(endpoint)
    pull_ids(endpoint)
    assert fail(endpoint, FailedReport(key, "no such order")) == {key: Result.FAILED}
    delivery, attempt = Delivery.objects.get(pk=key), Attempt.objects.get(delivery=key)
    assert (delivery.state, delivery.step, delivery.last_error) == ("pending", 1, "refused")
    assert bytes(attempt.response or b"") == b"no such order"
    assert HourlyStats.objects.get(endpoint=endpoint).rejected == 1
    assert delivery.next_attempt_at is not None
    assert delivery.next_attempt_at > timezone.now() + timedelta(seconds=2000)


def test_failed_message_waits_at_least_as_long_as_its_consumer_says() -> None:
    endpoint = make_pulled(retry_plan=[1, 10_000])
    (key,) = publish_orders(endpoint)
    pull_ids(endpoint)
    fail(endpoint, FailedReport(key, retry_after=5_000))
    due_at = Delivery.objects.get(pk=key).next_attempt_at
    assert due_at is not None
    assert due_at > timezone.now() + timedelta(seconds=4_000)


def test_failure_after_the_last_retry_is_a_dead_letter() -> None:
    endpoint = make_pulled(retry_plan=[])
    (key,) = publish_orders(endpoint)
    pull_ids(endpoint)
    fail(endpoint, FailedReport(key, "broken"))
    letter = Delivery.objects.get(pk=key).dead_letters.get()
    assert (letter.cause, letter.last_error, letter.attempts) == ("exhausted", "refused", 1)
    assert fail(endpoint, FailedReport(key)) == acknowledge(endpoint, key) == {key: Result.ENDED}


def test_acknowledgement_after_the_visibility_timeout_counts() -> None:
    endpoint = make_pulled()
    waiting, taken = publish_orders(endpoint, 2)
    pull_ids(endpoint)
    let_lapse(endpoint)
    settle_lapsed()
    Delivery.objects.filter(pk=waiting).update(next_attempt_at=timezone.now() + timedelta(hours=1))
    assert pull_ids(endpoint) == [taken]
    assert set(acknowledge(endpoint, waiting, taken).values()) == {Result.ACKNOWLEDGED}
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    assert pull_ids(endpoint) == []


def test_late_failure_does_not_end_the_attempt_of_another_consumer() -> None:
    endpoint = make_pulled()
    (key,) = publish_orders(endpoint)
    (first,) = pull(endpoint.pk, 1).messages
    let_lapse(endpoint)
    settle_lapsed()
    assert fail(endpoint, FailedReport(key)) == {key: Result.TOO_LATE}
    assert pull_ids(endpoint) == [key]
    assert fail(endpoint, FailedReport(key, attempt=first.attempt)) == {key: Result.TOO_LATE}
    assert Delivery.objects.get(pk=key).state == "sending"
    assert fail(endpoint, FailedReport(key, attempt=2)) == {key: Result.FAILED}


def test_extended_message_is_kept_for_another_visibility_timeout() -> None:
    endpoint = make_pulled(visibility=600)
    first, second = publish_orders(endpoint, 2)
    pull_ids(endpoint, 1)
    Delivery.objects.filter(pk=first).update(claimed_until=timezone.now() + timedelta(seconds=1))
    given = Report(extended=[first, second])
    assert report(endpoint, given) == {first: Result.EXTENDED, second: Result.TOO_LATE}
    until = Delivery.objects.get(pk=first).claimed_until
    assert until is not None
    assert until > timezone.now() + timedelta(seconds=500)


def test_what_was_not_handed_out_is_unknown() -> None:
    endpoint, other = make_pulled(), make_pulled()
    (waiting,), (foreign,) = publish_orders(endpoint), publish_orders(other)
    pull_ids(other)
    keys = (waiting, foreign, new_id())
    assert set(acknowledge(endpoint, *keys).values()) == {Result.UNKNOWN}
    assert Delivery.objects.get(pk=foreign).state == "sending"


def test_two_consumers_that_acknowledge_the_same_messages_at_once_settle_each_once() -> None:
    endpoint = make_pulled()
    keys = publish_orders(endpoint, 30)
    pull_ids(endpoint)
    backwards = keys[::-1]
    results = in_threads(lambda: acknowledge(endpoint, *keys), lambda: acknowledge(endpoint, *backwards))
    assert [set(it.values()) for it in results] == [{Result.ACKNOWLEDGED}] * 2
    assert Attempt.objects.count() == 30
    assert HourlyStats.objects.get(endpoint=endpoint).delivered == 30


def test_results_of_pulled_deliveries_are_published() -> None:
    endpoint = make_pulled(retry_plan=[])
    sink = make_endpoint(endpoint.tenant)
    Endpoint.objects.filter(pk=endpoint.pk).update(on_success=sink, on_failure=sink)
    good, bad = publish_orders(endpoint, 2)
    pull_ids(endpoint)
    acknowledge(endpoint, good)
    fail(endpoint, FailedReport(bad, "broken"))
    assert set(PendingResult.objects.values_list("delivery_id", "succeeded")) == {(good, True), (bad, False)}
    publish_results.run()
    deferred.run()
    types = Delivery.objects.filter(endpoint=sink).values_list("event__type", flat=True)
    assert set(types) == {"waypost.delivery.succeeded", "waypost.delivery.failed"}
