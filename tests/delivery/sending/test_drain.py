"""Drains in this process with real endpoints and a real database."""

import itertools
import multiprocessing
import os
import resource
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import DataError, OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone

from delivery import notify
from delivery.fan_out import deferred
from delivery.lanes import breaker, lane_batches, leased_lanes
from delivery.lanes.concurrency import INITIAL_WINDOW
from delivery.lanes.lane import UNSETTLED_FACTOR
from delivery.lifecycle import sweep
from delivery.lifecycle.cancel import cancel_deliveries
from delivery.lifecycle.retry_endpoint import retry_endpoint
from delivery.lifecycle.set_aside import set_aside
from delivery.models import Attempt, DeadLetter, Delivery, Event, Lane
from delivery.publishing.publisher import publish
from delivery.reading.requests.sent_request import sent_request
from delivery.sending import capacity, claiming, drain, settling
from delivery.sending.drain import deliver_due
from delivery.sql.claim import LARGE_BODY
from delivery.sql.due import CHANNEL
from delivery.sql.recovery import outages
from delivery.sql.settle import settle_attempts
from delivery.transports.http.response_headers import read_headers
from subscriptions.endpoints.endpoints import change_endpoint, delete_endpoint
from subscriptions.endpoints.state import disable, enable, pause, resume
from subscriptions.models import Endpoint, HttpSettings
from subscriptions.tenants.tenants import delete_tenant
from tests import receiver as scripts
from tests.factories import make_endpoint, make_subscription
from tests.receiver import Receiver
from tests.threads import in_threads
from tests.waiting import wait_until
from webhooks.kit.process import open_files
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow endpoints on this machine, and send nothing to the broker."""
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)


def subscribed(url: str, **changes: Any) -> Endpoint:
    return make_subscription(make_endpoint(**{"url": url, "timeout_ms": 30_000, **changes})).endpoint


def publish_to(endpoint: Endpoint, count: int = 1) -> list[UUID]:
    results = publish(endpoint.tenant, [{"type": "order.created", "data": {"n": n}} for n in range(count)])
    return [it.key for it in results if it.key]


def run_drain(**options: Any) -> int:
    return deliver_due(**{"idle_timeout": 0.1, "seconds": 60.0, "stopping": lambda: False, **options})


@contextmanager
def draining(**options: Any) -> Iterator[threading.Event]:
    """Run a drain beside the test, which ends when the event is set, or with the context."""
    over = threading.Event()
    options = {"idle_timeout": 600.0, "seconds": 600.0, "stopping": over.is_set, **options}
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.extend(in_threads(lambda: deliver_due(**options))))
    thread.start()
    try:
        yield over
    finally:
        over.set()
        connection.cursor().execute(f"NOTIFY {CHANNEL}")  # wakes the drain
        thread.join()
    assert isinstance(results[0], int), results


def states() -> list[str]:
    return sorted(Delivery.objects.values_list("state", flat=True))


def sending(endpoint: Endpoint) -> int:
    return endpoint.deliveries.filter(state="sending").count()


def make_due(endpoint: Endpoint) -> None:
    """Make the pending deliveries of the endpoint due."""
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.filter(endpoint=endpoint, state="pending").update(next_attempt_at=past)
    Lane.objects.filter(endpoint=endpoint).update(due_at=past, low_water_mark=None)


class TestOneEndpoint:
    def test_drain_of_a_published_event_sends_it_signed_and_records_the_attempt(self, receiver: Receiver) -> None:
        secret = "whsec_" + "A" * 43 + "="
        endpoint = subscribed(receiver.url("/hooks"), secret=secret, headers={"x-team": "red"})
        (event_id,) = publish_to(endpoint)
        assert run_drain() == 1
        (arrival,) = receiver.arrivals
        delivery = Delivery.objects.get()
        assert arrival.verify(secret)["data"] == {"n": 0}
        assert arrival.body == bytes(delivery.event.body)
        assert (arrival.message_id, arrival.headers["x-team"]) == (delivery.event.public_id, "red")
        assert (delivery.event_id, delivery.state, delivery.attempts) == (event_id, "delivered", 1)
        attempt = Attempt.objects.get()
        assert (attempt.delivery_id, attempt.number, attempt.status, attempt.error) == (delivery.id, 1, 200, "")

    def test_recorded_attempt_shows_the_request_as_it_arrived(self, receiver: Receiver) -> None:
        slow = scripts.status(500, b"oh", set_cookie="confidential", x_reason="closed")
        endpoint = subscribed(receiver.script("/", slow), retry_plan=[1000])
        publish_to(endpoint)
        run_drain()
        attempt = Attempt.objects.select_related("delivery__event", "delivery__endpoint__http").get()
        request = sent_request(attempt.delivery, attempt)
        assert request is not None
        (arrival,) = receiver.arrivals
        assert {name.lower(): value for name, value in arrival.headers.items()} == request.headers
        assert (arrival.body, receiver.url("/")) == (request.body, request.url)
        headers = dict(read_headers(attempt.response_headers))
        assert (headers["x-reason"], headers["set-cookie"]) == ("closed", "***")

    def test_drain_of_a_thousand_events_sends_each_once(self, receiver: Receiver) -> None:
        publish_to(subscribed(receiver.url(), timeout_ms=30_000), 1000)
        assert run_drain() == 1000
        assert set(receiver.counts().values()) == {1}
        assert len(receiver.arrivals) == Attempt.objects.count() == 1000
        assert set(states()) == {"delivered"}

    def test_drain_releases_its_lanes_when_it_ends(self, receiver: Receiver) -> None:
        publish_to(subscribed(receiver.url()), 10)
        run_drain()
        lane = Lane.objects.get()
        assert (lane.owner, lane.due_at, lane.endpoint_inactive) == (None, None, False)

    def test_failed_delivery_is_pending_and_its_lane_due_at_the_next_attempt(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", scripts.status(500, b"oh")), retry_plan=[1000])
        publish_to(endpoint)
        run_drain()
        delivery, lane = Delivery.objects.get(), Lane.objects.get()
        assert (delivery.state, delivery.step, delivery.last_status, delivery.last_error) == (
            "pending",
            1,
            500,
            "status",
        )
        assert delivery.next_attempt_at is not None
        assert delivery.next_attempt_at > timezone.now() + timedelta(seconds=700)
        assert lane.due_at == delivery.next_attempt_at
        assert (lane.failures, bytes(Attempt.objects.get().response or b"")) == (1, b"oh")

    def test_attempts_of_a_delivery_have_one_id_and_body_and_are_all_recorded(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 500, scripts.reset, 200), retry_plan=[1000, 1000])
        publish_to(endpoint)
        for _ in range(3):
            run_drain()
            make_due(endpoint)
        assert len(receiver.arrivals) == 3
        assert len({(it.message_id, it.body) for it in receiver.arrivals}) == 1
        assert Delivery.objects.get().state == "delivered"
        history = list(Attempt.objects.order_by("number").values_list("number", "status", "error"))
        assert history == [(1, 500, "status"), (2, None, "reset"), (3, 200, "")]

    def test_delivery_is_dead_when_its_retry_plan_is_used_up(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 500), retry_plan=[1000])
        publish_to(endpoint)
        for _ in range(3):
            run_drain()
            make_due(endpoint)
        letter = DeadLetter.objects.get()
        assert (letter.cause, letter.attempts, letter.delivery.state) == ("exhausted", 2, "dead")
        assert len(receiver.arrivals) == 2

    def test_410_from_a_former_url_leaves_the_endpoint_active(self, receiver: Receiver) -> None:
        new = receiver.url("/new")

        def moves(exchange: scripts.Exchange) -> None:
            in_threads(lambda: HttpSettings.objects.update(url=new))
            scripts.status(410)(exchange)

        endpoint = subscribed(receiver.script("/", moves), max_in_flight=1, ordering="endpoint")
        publish_to(endpoint, 2)
        run_drain()
        endpoint.refresh_from_db()
        assert (endpoint.state, endpoint.address) == ("active", new)
        make_due(endpoint)
        run_drain()
        assert len(receiver.at("/new")) == 2

    def test_410_from_a_former_url_is_retried_at_the_new_one(self, receiver: Receiver) -> None:
        new = receiver.url("/new")

        def moves(exchange: scripts.Exchange) -> None:
            in_threads(lambda: HttpSettings.objects.update(url=new))
            scripts.status(410)(exchange)

        endpoint = subscribed(receiver.script("/", moves), retry_plan=[1000])
        publish_to(endpoint)
        run_drain()
        assert states() == ["pending"]
        make_due(endpoint)
        run_drain()
        assert (len(receiver.at("/new")), states()) == (1, ["delivered"])

    def test_410_disables_the_endpoint_and_dead_letters_its_deliveries(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 410), max_in_flight=1)
        publish_to(endpoint, 5)
        run_drain()
        endpoint.refresh_from_db()
        assert (endpoint.state, endpoint.disabled_reason) == ("disabled", "responded_410")
        assert len(receiver.arrivals) == 1
        assert states() == ["dead"] * 5
        assert set(DeadLetter.objects.values_list("cause", flat=True)) == {"responded_410"}

    def test_drain_without_a_secret_sends_nothing_and_records_unsigned(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url())
        endpoint.secrets.all().delete()
        publish_to(endpoint)
        run_drain()
        assert not receiver.arrivals
        assert Attempt.objects.get().error == "unsigned"
        assert Delivery.objects.get().state == "pending"

    def test_drain_to_a_forbidden_address_sends_nothing_and_records_forbidden(
        self, receiver: Receiver, settings: Any
    ) -> None:
        settings.WAYPOST_ALLOW_NETWORKS = []
        publish_to(subscribed(receiver.url()))
        run_drain()
        assert not receiver.arrivals
        assert Attempt.objects.get().error == "forbidden"


class TestInactiveEndpoints:
    def test_deliveries_of_a_paused_endpoint_are_sent_after_resume(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url())
        pause(endpoint)
        publish_to(endpoint, 3)
        run_drain()
        assert (len(receiver.arrivals), Lane.objects.get().endpoint_inactive) == (0, True)
        assert set(Delivery.objects.values_list("state", "attempts")) == {("pending", 0)}
        resume(endpoint)
        sweep.recover()
        run_drain()
        assert len(receiver.arrivals) == 3

    def test_pause_during_a_drain_keeps_the_rest_pending(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", scripts.slow(0.05)), max_in_flight=1)
        publish_to(endpoint, 500)
        with draining():
            receiver.wait_for(1)
            pause(endpoint)
            wait_until(lambda: Lane.objects.get().owner is None, "the lane to be given back")
        assert set(states()) == {"delivered", "pending"}
        assert len(receiver.arrivals) == Delivery.objects.filter(state="delivered").count()

    def test_deleted_endpoint_is_dead_lettered_in_batches_while_others_are_sent_to(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lane_batches, "DEAD_LETTER_BATCH", 1)
        gone, other = subscribed(receiver.url("/gone")), subscribed(receiver.url("/other"))
        publish_to(gone, 300)
        delete_endpoint(gone)
        with draining():
            wait_until(lambda: DeadLetter.objects.exists(), "the first dead letter")
            publish_to(other)
            receiver.wait_for(1, "/other")
            assert gone.deliveries.filter(state="pending").exists()
            wait_until(lambda: not gone.deliveries.exclude(state="dead").exists(), "the last dead letter")

    def test_drain_that_stops_leaves_undeliverable_deliveries_to_the_next(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lane_batches, "DEAD_LETTER_BATCH", 1)
        gone = subscribed(receiver.url())
        publish_to(gone, 20)
        delete_endpoint(gone)
        run_drain(stopping=lambda: DeadLetter.objects.exists())
        assert Lane.objects.get().due_at is not None
        run_drain()
        assert states() == ["dead"] * 20

    def test_deliveries_of_a_deleted_endpoint_are_dead_lettered_unsent(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url())
        publish_to(endpoint, 3)
        delete_endpoint(endpoint)
        run_drain()
        assert not receiver.arrivals
        assert list(DeadLetter.objects.values_list("cause", flat=True)) == ["endpoint_deleted"] * 3

    def test_retries_that_wait_when_their_endpoint_is_deleted_are_dead_lettered_by_its_drain(
        self, receiver: Receiver
    ) -> None:
        endpoint = subscribed(receiver.script("/", 500))
        with draining():
            publish_to(endpoint, 3)
            wait_until(lambda: endpoint.deliveries.filter(attempts=1, state="pending").count() == 3, "three retries")
            delete_endpoint(endpoint)
            wait_until(lambda: states() == ["dead"] * 3, "their dead letters")
        assert set(DeadLetter.objects.values_list("cause", flat=True)) == {"endpoint_deleted"}
        assert len(receiver.arrivals) == 3

    @pytest.mark.parametrize("delete", [delete_endpoint, lambda it: delete_tenant(it.tenant)])
    def test_retries_that_wait_when_their_endpoint_is_deleted_are_dead_lettered_after_a_sweep(
        self, receiver: Receiver, delete: Callable[[Endpoint], None]
    ) -> None:
        endpoint = subscribed(receiver.script("/", 500))
        publish_to(endpoint, 3)
        run_drain()
        assert states() == ["pending"] * 3
        delete(endpoint)
        sweep.sweep()
        run_drain()
        assert states() == ["dead"] * 3
        assert len(receiver.arrivals) == 3

    def test_drain_that_stops_leaves_retries_of_a_deleted_endpoint_to_the_next(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lane_batches, "DEAD_LETTER_BATCH", 1)
        endpoint = subscribed(receiver.script("/", 500))
        publish_to(endpoint, 20)
        run_drain()
        delete_endpoint(endpoint)
        sweep.sweep()
        run_drain(stopping=lambda: DeadLetter.objects.exists())
        assert "pending" in states()
        run_drain()
        assert states() == ["dead"] * 20

    def test_deleted_endpoints_have_turns_so_that_few_deliveries_do_not_wait_for_many(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lane_batches, "DEAD_LETTER_BATCH", 1)
        endpoints = [subscribed(receiver.url()) for _ in range(2)]
        for endpoint in endpoints:
            publish_to(endpoint, 20)
            delete_endpoint(endpoint)
        run_drain(stopping=lambda: DeadLetter.objects.count() >= 6)
        assert all(it.deliveries.filter(state="dead").count() >= 3 for it in endpoints)

    def test_retries_go_on_after_their_subscription_is_deleted(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 500, 200))
        publish_to(endpoint)
        run_drain()
        endpoint.subscriptions.get().delete()
        publish_to(endpoint)
        make_due(endpoint)
        run_drain()
        assert states() == ["delivered"]
        assert len({it.message_id for it in receiver.arrivals}) == 1


def counting(seconds: float) -> tuple[Callable[[scripts.Exchange], None], list[int]]:
    """Return a script that responds 200 after ``seconds``, and a list with the most requests it has had at once."""
    now, most, lock = [0], [0], threading.Lock()

    def counted(exchange: scripts.Exchange) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        exchange.pause(seconds)
        with lock:
            now[0] -= 1
        scripts.status(200)(exchange)

    return counted, most


class TestLimits:
    def test_drain_keeps_no_more_in_flight_than_max_in_flight(self, receiver: Receiver) -> None:
        counted, most = counting(0.02)
        publish_to(subscribed(receiver.script("/", counted), max_in_flight=3), 40)
        run_drain()
        assert most[0] == 3

    def test_drain_obeys_the_rate_limit_without_costing_attempts(self, receiver: Receiver) -> None:
        publish_to(subscribed(receiver.url(), rate_limit=20), 30)  # two at once, then one every 50 ms
        began = time.time()
        run_drain()
        assert len(receiver.arrivals) == 30
        assert receiver.arrivals[-1].at - began >= (30 - 2) / 20 - 0.05
        assert {it.attempts for it in Delivery.objects.all()} == {1}

    def test_backlog_of_a_resumed_endpoint_is_sent_within_its_rate_limit(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url(), rate_limit=20)
        pause(endpoint)
        publish_to(endpoint, 30)
        run_drain()
        resume(endpoint)
        sweep.recover()
        began = time.time()
        run_drain()
        assert len(receiver.arrivals) == 30
        assert receiver.arrivals[-1].at - began >= (30 - 2) / 20 - 0.05

    def test_lane_with_an_open_breaker_is_not_sent_to_until_the_pause_ends(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url())
        publish_to(endpoint)
        until = timezone.now() + timedelta(minutes=10)
        Lane.objects.update(open_count=1, circuit_open_until=until, due_at=timezone.now())
        run_drain()
        assert not receiver.arrivals
        lane = Lane.objects.get()
        assert (lane.owner, lane.due_at) == (None, until)

    def test_delivered_probe_closes_the_breaker(self, receiver: Receiver) -> None:
        publish_to(subscribed(receiver.url()), 20)
        Lane.objects.update(open_count=1, failures=30, circuit_open_until=timezone.now())
        run_drain()
        assert len(receiver.arrivals) == 20
        assert Lane.objects.get().open_count == 0


class TestRejections:
    """An endpoint that rejects deliveries works: it delays no other ones."""

    def test_good_events_behind_many_rejected_ones_arrive_in_the_same_run(self, receiver: Receiver) -> None:
        bad, good = receiver.script("/bad", 422), receiver.url("/good")
        endpoint = subscribed(bad, retry_plan=[3600] * 5, timeout_ms=30_000)
        publish_to(endpoint, 300)
        # The failures so far would open the breaker with the next one.
        since = timezone.now() - timedelta(minutes=1)
        Endpoint.objects.update(created_at=since - timedelta(days=1), state_changed_at=since - timedelta(days=1))
        Lane.objects.update(failures=breaker.OPEN_AFTER_FAILURES - 1, failing_since=since)
        run_drain()
        assert len(receiver.at("/bad")) == 300
        lane = Lane.objects.get()
        assert (lane.failures, lane.open_count, lane.failing_since) == (0, 0, None)
        HttpSettings.objects.update(url=good)
        publish_to(endpoint, 20)
        run_drain()
        assert len(receiver.at("/good")) == 20

    def test_good_event_behind_failing_ones_ends_their_outage(self, receiver: Receiver) -> None:
        """The oldest events make the endpoint fail with 500; the newest one is tried as the probe."""
        endpoint = subscribed(receiver.script("/", 200), retry_plan=[3600] * 5, timeout_ms=30_000)
        publish_to(endpoint, 30)
        Delivery.objects.update(next_attempt_at=timezone.now() - timedelta(minutes=1), attempts=1)
        publish_to(endpoint)
        newest = endpoint.deliveries.get(attempts=0)
        since = timezone.now() - timedelta(minutes=1)
        Endpoint.objects.update(created_at=since - timedelta(days=1), state_changed_at=since - timedelta(days=1))
        Lane.objects.update(failures=30, failing_since=since, open_count=1, circuit_open_until=since, due_at=since)
        run_drain()
        assert receiver.arrivals[0].message_id == newest.event.public_id
        assert states() == ["delivered"] * 31


class TestPauseRequested:
    """Retry-After pauses the whole endpoint."""

    def test_burst_is_not_multiplied_and_later_events_wait(self, receiver: Receiver) -> None:
        pausing = scripts.status(503, retry_after=120)
        endpoint = subscribed(receiver.script("/", pausing), retry_plan=[1] * 5, timeout_ms=30_000)
        publish_to(endpoint, 500)
        began = timezone.now()
        run_drain()
        sent = len(receiver.arrivals)
        assert sent <= INITIAL_WINDOW
        for _ in range(3):
            publish_to(endpoint)
            make_due(endpoint)
            run_drain()
        assert len(receiver.arrivals) == sent
        lane = Lane.objects.get()
        assert lane.wait_until is not None
        assert 119 <= (lane.wait_until - began).total_seconds() <= 160
        assert (lane.wait_status, lane.due_at, lane.owner) == (503, lane.wait_until, None)
        assert Delivery.objects.filter(attempts=0, state="pending").count() == 503 - sent

    def test_other_deliveries_wait_while_one_was_answered_with_429(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", scripts.status(429, retry_after=600)))
        for _ in range(4):
            publish_to(endpoint)
            run_drain()
        assert len(receiver.arrivals) == 1

    def test_endpoint_is_sent_to_after_the_pause(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", scripts.status(503, retry_after=1), 200), retry_plan=[1])
        with draining():
            publish_to(endpoint)
            wait_until(lambda: Attempt.objects.exists(), "the first attempt")
            publish_to(endpoint, 4)
            wait_until(lambda: states() == ["delivered"] * 5, "the deliveries")
        assert receiver.arrivals[1].at - receiver.arrivals[0].at >= 0.9

    @pytest.mark.parametrize("header", ["600.5", "Thu, 31 Jan 2999 12:00:00 GMT", "5\r\nretry-after: 600"])
    def test_odd_values_are_obeyed(self, receiver: Receiver, header: str) -> None:
        publish_to(subscribed(receiver.script("/", scripts.status(413, retry_after=header))))
        began = timezone.now()
        run_drain()
        lane = Lane.objects.get()
        assert lane.wait_until is not None
        assert began + timedelta(seconds=590) <= lane.wait_until <= timezone.now() + timedelta(seconds=86_400)
        assert lane.wait_status == 413

    def test_retry_all_now_ends_the_pause(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", scripts.status(503, retry_after=600), 200))
        publish_to(endpoint)
        run_drain()
        assert len(receiver.arrivals) == 1
        retry_endpoint(endpoint)
        run_drain()
        assert states() == ["delivered"]

    def test_new_url_ends_the_pause(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/old", scripts.status(403, retry_after=600)), retry_plan=[1])
        publish_to(endpoint)
        run_drain()
        change_endpoint(endpoint, {"url": receiver.url("/new")})
        make_due(endpoint)
        Lane.objects.update(due_at=timezone.now() + timedelta(minutes=10))
        sweep.recover()
        run_drain()
        assert len(receiver.at("/new")) == 1


class TestChangedEndpoints:
    """Changes of a failing endpoint are tried at once."""

    def failing(self, receiver: Receiver) -> Endpoint:
        """Make an endpoint that has failed for five days less a minute, with its breaker open for 15 minutes."""
        endpoint = subscribed(receiver.script("/old", 500))
        publish_to(endpoint, 3)
        since, until = timezone.now() - timedelta(days=5, seconds=-60), timezone.now() + timedelta(minutes=15)
        Endpoint.objects.update(state_changed_at=since - timedelta(days=1))
        Lane.objects.update(
            failures=99, failing_since=since, open_count=9, circuit_open_until=until, due_at=until, warnings_sent=3
        )
        return endpoint

    def test_endpoint_with_a_new_url_is_sent_to_despite_an_open_breaker(self, receiver: Receiver) -> None:
        endpoint = self.failing(receiver)
        sweep.recover()
        run_drain()
        assert not receiver.arrivals
        change_endpoint(endpoint, {"url": receiver.url("/new")})
        sweep.recover()
        run_drain()
        assert (len(receiver.at("/new")), receiver.at("/old")) == (3, [])

    def test_enabled_endpoint_starts_without_failures_and_warnings(self, receiver: Receiver) -> None:
        endpoint = self.failing(receiver)
        disable(endpoint, "failing")
        enable(endpoint)
        sweep.recover()
        run_drain()
        assert len(receiver.at("/old")) == 3
        lane = Lane.objects.get()
        assert (lane.failures, lane.open_count, lane.circuit_open_until, lane.warnings_sent) == (3, 0, None, 0)
        assert lane.failing_since is not None
        assert lane.failing_since > timezone.now() - timedelta(days=1)

    def test_other_changes_of_an_endpoint_leave_the_breaker_open(self, receiver: Receiver) -> None:
        change_endpoint(self.failing(receiver), {"description": "the same as before"})
        sweep.recover()
        run_drain()
        assert not receiver.arrivals


class TestClaimedAhead:
    """Deliveries to a fast endpoint are claimed before there is a place for them."""

    @pytest.fixture(autouse=True)
    def hold_for_long(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(claiming, "HOLD_SECONDS", 600.0)
        monkeypatch.setattr(leased_lanes, "REFRESH_EVERY", 0.0)

    @contextmanager
    def holding(self, receiver: Receiver) -> Iterator[tuple[Endpoint, threading.Event]]:
        """Run a drain that holds deliveries, while the two that are in flight wait for the event."""
        go_on, count = threading.Event(), itertools.count()

        def respond(exchange: scripts.Exchange) -> None:
            if next(count) >= 50:
                while not go_on.is_set() and not receiver.closing.is_set():
                    exchange.pause(0.005)
            scripts.status(200)(exchange)

        endpoint = subscribed(receiver.script("/", respond), max_in_flight=2, timeout_ms=30_000)
        publish_to(endpoint, 400)
        with draining():
            receiver.wait_for(52, "/")
            wait_until(lambda: sending(endpoint) > 2, "deliveries that are held")
            yield endpoint, go_on
            go_on.set()

    def let_the_drain_turn(self, receiver: Receiver) -> None:
        """Wait until the drain has made a whole turn."""
        other = subscribed(receiver.url("/other"))
        for count in range(1, 4):
            publish_to(other)
            receiver.wait_for(count, "/other")

    def test_held_deliveries_are_sent_once_each(self, receiver: Receiver) -> None:
        with self.holding(receiver) as (endpoint, go_on):
            go_on.set()
            wait_until(lambda: not endpoint.deliveries.exclude(state="delivered").exists(), "the deliveries")
        assert set(receiver.counts().values()) == {1}
        assert Attempt.objects.count() == 400

    def test_drain_with_fewer_places_than_lanes_that_hold_deliveries_sends_them_all(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leased_lanes, "MAX_LANES_PER_TENANT", 8)
        monkeypatch.setattr(capacity, "MAX_FAST_IN_FLIGHT", 8)
        monkeypatch.setattr(leased_lanes, "RELEASE_EVERY", 0.0)
        first = subscribed(receiver.url("/0"))
        endpoints = [first, *(subscribed(receiver.url(f"/{n}"), tenant=first.tenant) for n in range(1, 40))]
        publish_to(first, 15)  # to all endpoints of the tenant
        run_drain(idle_timeout=1.0)
        assert states() == ["delivered"] * 15 * len(endpoints)

    def test_cancelled_deliveries_are_not_sent_although_they_were_held(self, receiver: Receiver) -> None:
        with self.holding(receiver) as (endpoint, go_on):
            unfinished = endpoint.deliveries.filter(state__in=["pending", "sending"])
            cancel_deliveries([it.id for it in unfinished], "ops")
            self.let_the_drain_turn(receiver)
            go_on.set()
            wait_until(lambda: Attempt.objects.filter(delivery__endpoint=endpoint).count() == 52, "the attempts")
        assert len(receiver.at("/")) == 52

    def test_paused_endpoint_gets_what_was_held_after_it_is_resumed(self, receiver: Receiver) -> None:
        with self.holding(receiver) as (endpoint, go_on):
            pause(endpoint)
            wait_until(lambda: sending(endpoint) == 2, "the claims to be released")
            go_on.set()
            wait_until(lambda: sending(endpoint) == 0, "the settlements")
            assert len(receiver.at("/")) == 52
            assert set(endpoint.deliveries.filter(state="pending").values_list("attempts", "claims")) == {(0, 0)}
            resume(endpoint)
            sweep.recover()
            wait_until(lambda: not endpoint.deliveries.exclude(state="delivered").exists(), "the deliveries")
        assert len(receiver.at("/")) == 400

    def test_held_deliveries_go_to_the_new_url_of_their_endpoint(self, receiver: Receiver) -> None:
        with self.holding(receiver) as (endpoint, go_on):
            change_endpoint(endpoint, {"url": receiver.url("/new")})
            self.let_the_drain_turn(receiver)
            go_on.set()
            wait_until(lambda: not endpoint.deliveries.exclude(state="delivered").exists(), "the deliveries")
        assert (len(receiver.at("/")), len(receiver.at("/new"))) == (52, 348)

    def test_rate_limit_that_is_set_applies_to_what_was_held(self, receiver: Receiver) -> None:
        with self.holding(receiver) as (endpoint, go_on):
            change_endpoint(endpoint, {"rate_limit": 1, "rate_period": "minute"})
            wait_until(lambda: sending(endpoint) == 2, "the claims to be released")
            go_on.set()
            wait_until(lambda: sending(endpoint) == 0, "the settlements")
            assert len(receiver.at("/")) <= 53

    def test_delivery_that_is_set_aside_is_not_sent_although_it_was_held(self, receiver: Receiver) -> None:
        with self.holding(receiver) as (endpoint, go_on):
            for delivery in endpoint.deliveries.filter(state__in=["pending", "sending"]):
                set_aside(delivery, "ops")
            self.let_the_drain_turn(receiver)
            go_on.set()
            wait_until(lambda: Attempt.objects.filter(delivery__endpoint=endpoint).count() == 52, "the attempts")
        assert len(receiver.at("/")) == 52
        assert DeadLetter.objects.count() == 348 + 2

    def test_deleted_endpoint_gets_nothing_of_what_was_held(self, receiver: Receiver) -> None:
        with self.holding(receiver) as (endpoint, go_on):
            delete_endpoint(endpoint)
            wait_until(lambda: sending(endpoint) == 2, "the claims to be released")
            go_on.set()
            wait_until(lambda: DeadLetter.objects.count() == 348, "the dead letters")
        assert len(receiver.at("/")) == 52

    def test_held_deliveries_of_a_lane_that_another_drain_took_are_sent_once(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leased_lanes, "RENEW_EVERY", 0.0)
        with self.holding(receiver) as (endpoint, go_on):
            other = new_id()
            lane = Lane.objects.filter(endpoint=endpoint)
            lane.update(owner=other, due_at=timezone.now() + timedelta(seconds=600))
            wait_until(lambda: sending(endpoint) == 2, "the claims to be released")
            go_on.set()
            wait_until(lambda: sending(endpoint) == 0, "the settlements")
            assert len(receiver.at("/")) == 52
            assert lane.get().owner == other
            lane.update(due_at=timezone.now())  # the other one has died
            wait_until(lambda: not endpoint.deliveries.exclude(state="delivered").exists(), "the deliveries")
        assert set(receiver.counts().values()) == {1}

    def test_held_deliveries_whose_claims_ran_out_are_sent_once(self, receiver: Receiver) -> None:
        """The clock of the database went forward."""
        with self.holding(receiver) as (endpoint, go_on):
            in_flight = {it.message_id for it in receiver.at("/")[50:]}
            held = [it for it in endpoint.deliveries.filter(state="sending") if it.event.public_id not in in_flight]
            past = timezone.now() - timedelta(seconds=1)
            Delivery.objects.filter(id__in=[it.id for it in held]).update(claimed_until=past)
            sweep.recover()
            self.let_the_drain_turn(receiver)
            go_on.set()
            wait_until(lambda: not endpoint.deliveries.exclude(state="delivered").exists(), "the deliveries")
        assert set(receiver.counts().values()) == {1}
        assert Attempt.objects.filter(error="unknown").count() == len(held)

    def test_order_that_is_set_applies_to_what_is_published_then(self, receiver: Receiver) -> None:
        with self.holding(receiver) as (endpoint, go_on):
            change_endpoint(endpoint, {"ordering": "endpoint"})
            wait_until(lambda: sending(endpoint) == 2, "the claims to be released")
            endpoint.refresh_from_db()
            publish_to(endpoint, 20)
            go_on.set()
            wait_until(lambda: not endpoint.deliveries.exclude(state="delivered").exists(), "the deliveries")
        assert set(receiver.counts().values()) == {1}
        ordered = [it.message_id for it in receiver.at("/")]
        published = endpoint.deliveries.exclude(order_key=None).order_by("created_at", "id")
        expected = [it.event.public_id for it in published]
        assert [it for it in ordered if it in set(expected)] == expected
        assert len(expected) == 20

    def test_what_is_held_while_the_database_restarts_is_sent_once(self, receiver: Receiver) -> None:
        with self.holding(receiver) as (endpoint, go_on):
            cut_other_connections()
            go_on.set()
            wait_until(lambda: not endpoint.deliveries.exclude(state="delivered").exists(), "the deliveries")
        assert set(receiver.counts().values()) == {1}

    def test_breaker_that_opens_has_what_was_held_released(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(breaker, "OPEN_AFTER_SECONDS", 0.0)
        monkeypatch.setattr(breaker, "FIRST_PAUSE", 600.0)
        count = itertools.count()

        def respond(exchange: scripts.Exchange) -> None:
            scripts.status(200 if next(count) < 100 else 500)(exchange)

        endpoint = subscribed(receiver.script("/", respond), max_in_flight=2)
        publish_to(endpoint, 400)
        with draining():
            wait_until(lambda: Lane.objects.get().open_count == 1, "the breaker to open")
            wait_until(lambda: sending(endpoint) == 0, "the claims to be released")
        assert len(receiver.arrivals) == Attempt.objects.count() <= 100 + breaker.OPEN_AFTER_FAILURES + 1
        assert set(endpoint.deliveries.filter(attempts=0).values_list("state", "claims")) == {("pending", 0)}

    def test_ended_attempts_gather_before_they_are_settled(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(settling, "SETTLE_AFTER", 3600.0)
        endpoint = subscribed(receiver.url())
        with draining():
            publish_to(endpoint)
            receiver.wait_for(1)
            publish_to(endpoint, 2)
            receiver.wait_for(3)
            assert states() == ["sending"] * 3
        assert states() == ["delivered"] * 3

    @pytest.mark.parametrize("changes", [{"ordering": "endpoint"}, {"max_in_flight": 1}], ids=["ordered", "narrow"])
    def test_attempts_that_keep_their_lane_from_sending_are_settled_at_once(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
    ) -> None:
        monkeypatch.setattr(settling, "SETTLE_AFTER", 3600.0)
        with draining():
            publish_to(subscribed(receiver.url(), **changes), 5)
            wait_until(lambda: states() == ["delivered"] * 5, "the settlements")

    def test_killed_drain_repeats_no_more_than_what_was_not_settled(self, receiver: Receiver) -> None:
        go_on, count = threading.Event(), itertools.count()

        def respond(exchange: scripts.Exchange) -> None:
            if 50 <= next(count) < 52:
                while not go_on.is_set() and not receiver.closing.is_set():
                    exchange.pause(0.005)
            scripts.status(200)(exchange)

        endpoint = subscribed(receiver.script("/", respond), max_in_flight=2, timeout_ms=30_000)
        publish_to(endpoint, 400)
        connection.close()  # the child process has no use for it
        process = multiprocessing.get_context("fork").Process(
            target=deliver_due, kwargs={"idle_timeout": 600.0, "stopping": lambda: False}, daemon=True
        )
        process.start()
        receiver.wait_for(52)
        wait_until(lambda: sending(endpoint) > 2, "deliveries that are held")
        process.kill()
        process.join()
        go_on.set()
        past = timezone.now() - timedelta(seconds=1)
        Delivery.objects.filter(state="sending").update(claimed_until=past)
        Lane.objects.update(due_at=past)
        sweep.recover()
        run_drain()
        assert set(states()) == {"delivered"}
        repeated = sum(receiver.counts().values()) - 400
        assert 2 <= repeated <= 2 * UNSETTLED_FACTOR

    def test_drain_that_ends_releases_what_it_holds(self, receiver: Receiver) -> None:
        with self.holding(receiver) as (endpoint, _):
            pass
        assert sending(endpoint) == 0
        assert len(receiver.at("/")) == Attempt.objects.count() < 400
        run_drain()
        assert set(receiver.counts().values()) == {1}

    def test_what_is_held_too_long_is_released_and_sent_later(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(claiming, "HOLD_SECONDS", 3.0)
        with self.holding(receiver) as (endpoint, go_on):
            wait_until(lambda: sending(endpoint) == 2, "the claims to be released")
            go_on.set()
            wait_until(lambda: not endpoint.deliveries.exclude(state="delivered").exists(), "the deliveries")
        assert set(receiver.counts().values()) == {1}


class TestSlowButHealthy:
    """An endpoint that takes long for each response, and gets what is published nevertheless."""

    def test_window_grows_until_the_endpoint_keeps_up_and_others_do_not_wait(self, receiver: Receiver) -> None:
        respond, most = counting(1.2)
        slow = subscribed(receiver.script("/slow", respond), timeout_ms=30_000)
        fast = [subscribed(receiver.url(f"/{number}")) for number in range(4)]
        publish_to(slow, 1_000)
        with draining():
            receiver.wait_for(1, "/slow")
            for endpoint in fast:
                publish_to(endpoint, 50)
            for number in range(4):
                receiver.wait_for(50, f"/{number}")
            assert slow.deliveries.exclude(state="delivered").exists()
            wait_until(lambda: not Delivery.objects.exclude(state="delivered").exists(), "the deliveries")
        assert most[0] > 250
        assert set(receiver.counts().values()) == {1}
        assert Lane.objects.get(endpoint=slow).failures == 0

    def test_window_does_not_grow_beyond_the_limit_of_the_endpoint(self, receiver: Receiver) -> None:
        respond, most = counting(0.1)
        publish_to(subscribed(receiver.script("/", respond), max_in_flight=80, timeout_ms=30_000), 500)
        run_drain()
        assert most[0] == 80


class TestRecovery:
    """When an outage is over, what failed in it is sent at once, not when its retry plan says."""

    @pytest.fixture(autouse=True)
    def short_pauses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(breaker, "OPEN_AFTER_SECONDS", 0.0)
        monkeypatch.setattr(breaker, "FIRST_PAUSE", 0.05)
        monkeypatch.setattr(breaker, "LONGEST_PAUSE", 0.2)

    @pytest.mark.parametrize("ordering", ["", "subject"])
    def test_deliveries_that_failed_in_an_outage_are_sent_when_it_is_over(
        self, receiver: Receiver, ordering: str
    ) -> None:
        is_over = threading.Event()

        def respond(exchange: scripts.Exchange) -> None:
            scripts.status(200 if is_over.is_set() else 503)(exchange)

        endpoint = subscribed(receiver.script("/", respond), ordering=ordering, retry_plan=[3600] * 50)
        keys = [f"s{n % 25}" for n in range(75)]
        publish(endpoint.tenant, [{"type": "order.created", "subject": key, "data": n} for n, key in enumerate(keys)])
        with draining():
            receiver.wait_for(breaker.OPEN_AFTER_FAILURES + 3)
            failed = {it.message_id for it in receiver.arrivals}
            is_over.set()
            wait_until(lambda: not Delivery.objects.exclude(state="delivered").exists(), "the deliveries")
        assert failed <= receiver.counts().keys()
        if ordering:
            done = [orjson.loads(it.body) for it in receiver.arrivals[-200:]]
            last: dict[str, int] = {}
            for event in done:
                assert event["data"] >= last.get(event["subject"], 0)
                last[event["subject"]] = event["data"]

    def test_endpoint_that_its_owner_resumes_is_sent_what_failed(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 500, 500, 200), retry_plan=[3600] * 5)
        publish_to(endpoint, 2)
        run_drain()
        assert states() == ["pending"] * 2
        pause(endpoint)
        resume(endpoint)
        sweep.recover()
        run_drain()
        assert states() == ["delivered"] * 2

    def test_attempts_that_hang_when_the_outage_ends_are_repeated_at_once(self, receiver: Receiver) -> None:
        arrived = itertools.count()

        def respond(exchange: scripts.Exchange) -> None:
            number = next(arrived)
            if 5 <= number < 8:
                scripts.hang(exchange)
            scripts.status(500 if number < 5 else 200)(exchange)

        endpoint = subscribed(receiver.script("/", respond), retry_plan=[3600] * 5, timeout_ms=2_000)
        publish_to(endpoint, 5)
        with draining():
            wait_until(lambda: Attempt.objects.count() == 5, "the failures")
            publish_to(endpoint, 3)
            receiver.wait_for(8)
            publish_to(endpoint)
            wait_until(lambda: set(states()) == {"delivered"}, "the deliveries")
        assert Attempt.objects.filter(error="timeout").count() == 3

    def test_endpoint_that_is_said_to_work_is_sent_all_that_waits(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 500, 200, 500, 429, 200), retry_plan=[3600] * 5)
        for _ in range(4):
            publish_to(endpoint)
            run_drain()
        assert states() == ["delivered"] + ["pending"] * 3
        with draining():
            retry_endpoint(endpoint)
            wait_until(lambda: set(states()) == {"delivered"}, "the deliveries")
        assert set(Delivery.objects.values_list("step", flat=True)) == {0}

    def test_endpoint_that_is_said_to_work_and_does_not_is_probed_only(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(breaker, "FIRST_PAUSE", 600.0)
        monkeypatch.setattr(breaker, "LONGEST_PAUSE", 600.0)
        endpoint = subscribed(receiver.script("/", 500), retry_plan=[3600] * 5)
        publish_to(endpoint, 30)
        run_drain()
        sent = len(receiver.arrivals)
        assert Lane.objects.get().open_count == 1
        until = timezone.now() + timedelta(minutes=15)
        Lane.objects.update(circuit_open_until=until, due_at=until)
        retry_endpoint(endpoint)
        run_drain()
        assert len(receiver.arrivals) == sent + 1
        assert Delivery.objects.filter(state="pending", next_attempt_at__lte=timezone.now()).count() == 29

    def test_probes_do_not_use_up_the_retry_plan(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 500), retry_plan=[3600, 3600])
        publish_to(endpoint, breaker.OPEN_AFTER_FAILURES)
        run_drain()
        endpoint.deliveries.exclude(id=endpoint.deliveries.earliest("id").id).delete()
        with draining():
            wait_until(lambda: endpoint.deliveries.get().attempts > 5, "probes")
        delivery = endpoint.deliveries.get()
        assert (delivery.state, delivery.step) == ("pending", 1)

    def test_order_holds_when_the_retries_of_an_outage_are_made_due_in_batches(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        few = outages.RETRY_AFTER_OUTAGE.replace("FETCH FIRST 1000 ROWS WITH TIES", "FETCH FIRST 3 ROWS ONLY")
        monkeypatch.setattr(outages, "RETRY_AFTER_OUTAGE", few)
        is_over = threading.Event()

        def respond(exchange: scripts.Exchange) -> None:
            scripts.status(200 if is_over.is_set() else 500)(exchange)

        endpoint = subscribed(receiver.script("/", respond), ordering="subject", retry_plan=[3600] * 50)
        keys = [f"s{n % 10}" for n in range(60)]
        publish(endpoint.tenant, [{"type": "order.created", "subject": key, "data": n} for n, key in enumerate(keys)])
        with draining():
            wait_until(lambda: Attempt.objects.count() >= 10, "the failures")
            is_over.set()
            retry_endpoint(endpoint)
            wait_until(lambda: set(states()) == {"delivered"}, "the deliveries")
        arrived = [orjson.loads(it.body)["data"] for it in receiver.arrivals]
        first_success = {number: len(arrived) - 1 - arrived[::-1].index(number) for number in range(60)}
        for key in range(10):
            order = [first_success[number] for number in range(key, 60, 10)]
            assert order == sorted(order)

    def test_recovery_continues_after_its_drain_was_killed(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        few = outages.RETRY_AFTER_OUTAGE.replace("FETCH FIRST 1000 ROWS WITH TIES", "FETCH FIRST 3 ROWS ONLY")
        monkeypatch.setattr(leased_lanes, "RENEW_EVERY", 0.0)  # stores the state of the lane in every turn
        is_over = threading.Event()

        def respond(exchange: scripts.Exchange) -> None:
            scripts.status(200 if is_over.is_set() else 500)(exchange)

        endpoint = subscribed(receiver.script("/", respond), retry_plan=[3600] * 5)
        publish_to(endpoint, 20)
        run_drain()
        assert Delivery.objects.filter(next_attempt_at__gt=timezone.now()).count() == 20
        Lane.objects.update(circuit_open_until=timezone.now(), due_at=timezone.now())
        slowly = few.replace("(SELECT count(*) FROM brought)", "(SELECT count(*) FROM brought), pg_sleep(1.0)::text")
        monkeypatch.setattr(outages, "RETRY_AFTER_OUTAGE", slowly)
        is_over.set()
        connection.close()
        process = multiprocessing.get_context("fork").Process(
            target=deliver_due, kwargs={"idle_timeout": 600.0, "stopping": lambda: False}, daemon=True
        )
        process.start()
        wait_until(lambda: 0 < self.waiting(endpoint) < 19, "a part of the recovery")
        process.kill()
        process.join()
        assert self.waiting(endpoint) > 0
        monkeypatch.setattr(outages, "RETRY_AFTER_OUTAGE", few)
        past = timezone.now() - timedelta(seconds=1)
        Delivery.objects.filter(state="sending").update(claimed_until=past)
        Lane.objects.update(due_at=past)
        sweep.recover()
        with draining():  # the server may commit the statement of the killed drain later
            wait_until(lambda: set(states()) == {"delivered"}, "the deliveries")

    def waiting(self, endpoint: Endpoint) -> int:
        """Count the deliveries that wait for a retry."""
        return endpoint.deliveries.filter(state="pending", next_attempt_at__gt=timezone.now()).count()

    def test_delivery_that_alone_fails_waits_for_its_own_retry(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 500, 200), retry_plan=[3600] * 5)
        publish_to(endpoint)
        run_drain()
        publish_to(endpoint, 5)
        run_drain()
        assert states() == ["delivered"] * 5 + ["pending"]


class TestOrdering:
    def publish_numbers(self, endpoint: Endpoint, numbers: Iterable[int], keys: int = 7) -> None:
        publish(
            endpoint.tenant,
            [{"type": "order.created", "subject": f"s{n % keys}", "data": {"n": n}} for n in numbers],
        )

    def arrived(self, receiver: Receiver) -> dict[str, list[int]]:
        """Return the numbers of the events by subject, in the order of their arrival."""
        found: dict[str, list[int]] = {}
        for it in receiver.arrivals:
            event = orjson.loads(it.body)
            found.setdefault(event["subject"], []).append(event["data"]["n"])
        return found

    @pytest.mark.parametrize("batch", [140, 7, 1])
    def test_deliveries_of_a_key_arrive_in_published_order(self, receiver: Receiver, batch: int) -> None:
        endpoint = subscribed(receiver.script("/", scripts.slow(0.002)), ordering="subject")
        for begin in range(0, 140, batch):
            self.publish_numbers(endpoint, range(begin, begin + batch))
        run_drain()
        assert self.arrived(receiver) == {f"s{n}": list(range(n, 140, 7)) for n in range(7)}

    def test_endpoint_ordering_sends_one_delivery_at_a_time(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", scripts.slow(0.005)), ordering="endpoint")
        self.publish_numbers(endpoint, range(30))
        run_drain()
        assert [orjson.loads(it.body)["data"]["n"] for it in receiver.arrivals] == list(range(30))

    def test_failed_head_of_a_key_holds_back_the_deliveries_behind_it(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 500, 200), ordering="subject", retry_plan=[1000])
        self.publish_numbers(endpoint, range(4), keys=2)
        run_drain()
        states = dict(Delivery.objects.values_list("event__subject", "state").distinct())
        held = next(subject for subject, state in states.items() if state == "pending")
        assert Delivery.objects.filter(event__subject=held, state="pending").count() == 2
        make_due(endpoint)
        run_drain()
        assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
        arrived = self.arrived(receiver)
        assert arrived[held][0] == arrived[held][1]  # the failure and its retry, and only then the next one
        assert arrived[held] == sorted(arrived[held])

    def test_more_blocked_keys_than_one_search_walks_hold_back_no_other_key(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("delivery.sending.claiming.KEYS_PER_TURN", 16)
        endpoint = subscribed(receiver.url(), ordering="subject")
        self.publish_numbers(endpoint, range(100), keys=100)
        Delivery.objects.update(next_attempt_at=timezone.now() + timedelta(hours=1))
        self.publish_numbers(endpoint, range(100, 300), keys=150)
        run_drain()
        assert self.arrived(receiver).keys() == {f"s{n}" for n in range(100, 150)}

    def test_dead_head_of_a_key_releases_the_next_delivery(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 500, 200), ordering="endpoint", retry_plan=[])
        self.publish_numbers(endpoint, range(2))
        run_drain()
        assert states() == ["dead", "delivered"]


class TestFairness:
    def test_tenant_with_many_due_lanes_does_not_delay_another_tenant(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leased_lanes, "MAX_ACTIVE_LANES", 8)
        monkeypatch.setattr(leased_lanes, "MAX_LANES_PER_TENANT", 6)
        crowd = subscribed(receiver.script("/crowd", scripts.slow(0.05))).tenant
        for _ in range(39):
            make_subscription(make_endpoint(crowd, url=receiver.url("/crowd")))
        publish(crowd, [{"type": "order.created", "data": n} for n in range(20)])
        quiet = subscribed(receiver.url("/quiet"))
        publish_to(quiet)
        run_drain()
        (arrival,) = receiver.at("/quiet")
        assert receiver.arrivals.index(arrival) < 8 * capacity.MAX_FAST_IN_FLIGHT / 4
        assert len(receiver.at("/crowd")) == 800

    def test_delivery_that_cannot_be_composed_fails_without_stopping_others(self, receiver: Receiver) -> None:
        broken = subscribed(receiver.url("/broken"), content_mode="binary", retry_plan=[])
        Event.objects.filter(id__in=publish_to(broken)).update(body=b"{")
        well = subscribed(receiver.url("/well"))
        publish_to(well, 3)
        run_drain()
        assert len(receiver.at("/well")) == 3
        assert receiver.at("/broken") == []
        delivery = broken.deliveries.get()
        assert (delivery.state, delivery.last_error, delivery.attempts) == ("dead", "internal", 1)

    def test_hanging_endpoint_does_not_delay_others(self, receiver: Receiver) -> None:
        hanging = subscribed(receiver.script("/hang", scripts.hang), timeout_ms=30_000)
        fast = subscribed(receiver.url("/fast"), timeout_ms=30_000)
        publish_to(hanging, 200)
        publish_to(fast, 200)
        with draining():
            receiver.wait_for(200, "/fast")
            wait_until(lambda: not fast.deliveries.exclude(state="delivered").exists(), "the settlements")
            assert not hanging.deliveries.filter(attempts__gt=0).exists()
            receiver.closing.set()  # ends the hanging requests

    def test_stuck_lanes_take_no_places_from_others(self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leased_lanes, "MAX_ACTIVE_LANES", 2)
        monkeypatch.setattr(leased_lanes, "STUCK_AFTER", 0.05)
        hanging = [subscribed(receiver.script(f"/{n}", scripts.hang), timeout_ms=30_000) for n in range(2)]
        for endpoint in hanging:
            publish_to(endpoint, 50)
        with draining():
            receiver.wait_for(2)
            fast = subscribed(receiver.url("/fast"))
            publish_to(fast, 10)
            receiver.wait_for(10, "/fast")
            assert not Delivery.objects.filter(attempts__gt=0, endpoint__in=hanging).exists()
            receiver.closing.set()

    def test_tenant_whose_endpoints_all_hang_leaves_capacity_to_others(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {"MAX_FAST_IN_FLIGHT": 10, "MAX_IN_FLIGHT": 40, "SLOW_AFTER": 0.05}.items():
            monkeypatch.setattr(capacity, name, value)
        hanging = subscribed(receiver.script("/hang", scripts.hang), timeout_ms=30_000)
        for _ in range(4):
            make_subscription(make_endpoint(hanging.tenant, url=receiver.url("/hang"), timeout_ms=30_000))
        publish_to(hanging, 20)  # five times
        with draining():
            receiver.wait_for(20, "/hang")
            fast = subscribed(receiver.url("/fast"))
            publish_to(fast, 30)
            receiver.wait_for(30, "/fast")
            assert not Delivery.objects.filter(attempts__gt=0).exclude(endpoint=fast).exists()
            receiver.closing.set()

    def test_busy_lanes_yield_when_more_lanes_are_due_than_places(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leased_lanes, "MAX_ACTIVE_LANES", 2)
        monkeypatch.setattr(leased_lanes, "YIELD_AFTER", 0.1)
        busy = [subscribed(receiver.script(f"/{n}", scripts.slow(0.01)), max_in_flight=4) for n in range(2)]
        for endpoint in busy:
            publish_to(endpoint, 3000)
        with draining():
            receiver.wait_for(20)
            publish_to(subscribed(receiver.url("/late")))
            receiver.wait_for(1, "/late")
            assert Delivery.objects.filter(state="pending", endpoint__in=busy).exists()

    def test_two_drains_send_each_delivery_once(self, receiver: Receiver) -> None:
        for number in range(4):
            publish_to(subscribed(receiver.url(f"/{number}"), timeout_ms=30_000), 100)
        assert sum(in_threads(run_drain, run_drain)) == 400
        assert len(receiver.arrivals) == len(receiver.counts()) == 400


class TestLargeBodies:
    """Bodies beyond the limit wait in the database, and every one is sent."""

    @pytest.fixture(autouse=True)
    def limit_of_four_bodies(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(capacity, "MAX_BODY_BYTES", 4 * LARGE_BODY)

    def publish_large(self, endpoint: Endpoint, count: int) -> None:
        data = "x" * LARGE_BODY
        publish(endpoint.tenant, [{"type": "order.created", "data": [n, data]} for n in range(count)])

    def test_all_are_sent_while_no_tenant_exceeds_its_share(self, receiver: Receiver) -> None:
        counted, most = counting(0.02)
        endpoint = subscribed(receiver.script("/0", counted), timeout_ms=60_000)
        ordered = make_endpoint(endpoint.tenant, url=receiver.script("/1", counted), ordering="endpoint")
        make_subscription(ordered)
        self.publish_large(endpoint, 10)
        with draining():
            receiver.wait_for(20)
        assert most[0] == 2  # half of the limit

    def test_hanging_large_bodies_leave_room_for_other_tenants(self, receiver: Receiver) -> None:
        hanging = subscribed(receiver.script("/hang", scripts.hang), timeout_ms=30_000)
        self.publish_large(hanging, 10)
        with draining():
            receiver.wait_for(2, "/hang")
            fast = subscribed(receiver.url("/fast"))
            self.publish_large(fast, 5)
            publish_to(fast, 5)
            receiver.wait_for(10, "/fast")
            assert len(receiver.at("/hang")) == 2
            receiver.closing.set()


class TestOpenFiles:
    """Drains in processes of their own, whose limit of open files is low."""

    def drain_with(self, spare_files: int, reserved: int, until: Callable[[], bool]) -> None:
        """Run a drain that may open so many files, of which it takes ``reserved`` for other uses."""
        connection.close()  # the child process has no use for it
        process = multiprocessing.get_context("fork").Process(
            target=drain_with_few_files, args=(spare_files, reserved), daemon=True
        )
        process.start()
        try:
            wait_until(until, "the deliveries")
            assert process.is_alive()
        finally:
            process.terminate()
            process.join()

    def make_hanging(self, receiver: Receiver) -> Endpoint:
        """Make a tenant with ten endpoints that hang, each with eight deliveries."""
        hanging = subscribed(receiver.script("/hang", scripts.hang), timeout_ms=1_000)
        for _ in range(9):
            make_subscription(make_endpoint(hanging.tenant, url=receiver.url("/hang"), timeout_ms=1_000))
        publish_to(hanging, 8)
        return hanging

    def test_drain_takes_no_more_than_its_limit_of_open_files_allows(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(claiming, "HOLD_SECONDS", 600.0)  # what is released after that is not put off
        tenant = self.make_hanging(receiver).tenant
        fast = subscribed(receiver.url("/fast"))

        def is_done() -> bool:
            publish_to(fast)
            return len(receiver.at("/fast")) > 20 and Attempt.objects.filter(delivery__tenant=tenant).count() > 10

        self.drain_with(90, 60, is_done)
        assert not fast.deliveries.filter(attempts__gt=0).exclude(state="delivered").exists()
        assert set(Attempt.objects.filter(delivery__tenant=tenant).values_list("error", flat=True)) == {"timeout"}
        assert not Delivery.objects.filter(attempts=0, next_attempt_at__gt=F("started_at")).exists()  # none was put off

    def test_attempts_that_find_no_file_are_put_off_without_a_failure(self, receiver: Receiver) -> None:
        """Other parts of the process have used more than was reserved for them."""
        tenant = self.make_hanging(receiver).tenant
        fast = subscribed(receiver.url("/fast"))
        publish_to(fast, 20)

        self.drain_with(40, -1_000, lambda: len(receiver.at("/fast")) >= 20 and is_attempted(tenant.id, 80))
        assert set(Attempt.objects.filter(delivery__endpoint=fast).values_list("status", flat=True)) <= {200}
        assert set(Attempt.objects.filter(delivery__tenant=tenant).values_list("error", flat=True)) == {"timeout"}


def is_attempted(tenant_id: UUID, count: int) -> bool:
    return Attempt.objects.filter(delivery__tenant=tenant_id).count() >= count


def drain_with_few_files(spare: int, reserved: int) -> None:
    """Run a drain in a forked process that can open ``spare`` more files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + spare, hard))
    open_files.RESERVED = highest + reserved
    deliver_due(idle_timeout=600.0, seconds=600.0, stopping=lambda: False)


class TestRunning:
    def test_notification_wakes_a_running_drain(self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        """Poll every ten minutes only, so that a notification has to wake the drain."""
        for module in (claiming, leased_lanes):
            monkeypatch.setattr(module, "POLL_EVERY", 600.0)
        endpoint = subscribed(receiver.url())
        with draining():
            for count in range(1, 6):
                publish_to(endpoint)
                receiver.wait_for(count)

    def test_drain_without_notifications_polls_and_loses_nothing(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("delivery.notify.CHANNEL", "somewhere_else")
        endpoint = subscribed(receiver.url())
        with draining():
            publish_to(endpoint)
            receiver.wait_for(1)

    def test_drain_with_nothing_due_ends_without_attempts(self) -> None:
        assert run_drain() == 0

    def test_drain_whose_time_is_up_starts_a_successor(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[str] = []
        monkeypatch.setattr(notify.drain_starter, "send", lambda: calls.append(notify.drain_starter.task))
        run_drain(seconds=0.0)
        assert calls == ["delivery.deliver_due"]

    def test_stopping_drain_claims_no_more_and_settles_what_is_in_flight(self, receiver: Receiver) -> None:
        stop = threading.Event()
        endpoint = subscribed(receiver.script("/", scripts.slow(0.2)), max_in_flight=5)
        publish_to(endpoint, 100)

        def stopping() -> bool:
            if receiver.arrivals:
                stop.set()
            return stop.is_set()

        attempts = run_drain(stopping=stopping)
        assert 5 <= attempts < 100
        assert len(receiver.arrivals) == attempts == Attempt.objects.count()
        assert set(states()) == {"delivered", "pending"}
        lane = Lane.objects.get()
        assert lane.owner is None
        assert lane.due_at is not None

    def test_ending_drain_leaves_fast_lanes_to_others_while_slow_attempts_last(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Poll every ten minutes only, so that a notification has to wake the drain."""
        for module in (claiming, leased_lanes):
            monkeypatch.setattr(module, "POLL_EVERY", 600.0)
        monkeypatch.setattr(drain, "FINISH_WITHIN_ON_STOP", 600.0)
        hanging = subscribed(receiver.script("/hang", scripts.hang), timeout_ms=30_000)
        fast = subscribed(receiver.url("/fast"))
        with draining() as is_over:
            publish_to(hanging)
            publish_to(fast)
            receiver.wait_for(2)
            with draining():
                is_over.set()
                publish_to(fast, 5)
                receiver.wait_for(6, "/fast")
                assert sending(hanging) == 1
                receiver.closing.set()

    def test_drains_that_are_notified_together_share_the_lanes(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leased_lanes, "LEASED_AT_ONCE", 1)
        tenant = subscribed(receiver.script("/", scripts.slow(0.05))).tenant
        for _ in range(7):
            make_subscription(make_endpoint(tenant, url=receiver.url()))
        with draining(), draining():
            wait_until(lambda: listeners() == 2, "two drains")
            publish(tenant, [{"type": "order.created", "data": n} for n in range(200)])
            wait_until(lambda: Lane.objects.values("owner").distinct().count() == 2, "both to lease lanes")

    def test_drain_that_may_not_be_idle_looks_for_work_before_it_ends(self, receiver: Receiver) -> None:
        """Connecting to the database may take longer than a drain may be idle."""
        publish_to(subscribed(receiver.url()))
        assert run_drain(idle_timeout=0.0) == 1

    def test_drain_restores_the_plan_settings_of_its_connection(self) -> None:
        run_drain()
        with connection.cursor() as cursor:
            cursor.execute("SHOW enable_seqscan")
            assert cursor.fetchone() == ("on",)


class TestDatabaseFailures:
    def test_drain_reconnects_after_its_connection_broke(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", scripts.slow(0.02)), max_in_flight=2)
        with draining():
            publish_to(endpoint, 20)
            receiver.wait_for(5)
            cut_other_connections()
            wait_until(lambda: self.all_delivered(20), "everything to be delivered")
            publish_to(endpoint, 20)
            wait_until(lambda: self.all_delivered(40), "the rest to be delivered")

    def all_delivered(self, count: int) -> bool:
        Delivery.objects.filter(state="sending").update(claimed_until=timezone.now() + timedelta(seconds=5))
        return Delivery.objects.filter(state="delivered").count() == count

    def test_drain_listens_again_after_the_database_was_away(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        endpoint = subscribed(receiver.url())
        with draining():
            publish_to(endpoint)
            receiver.wait_for(1)
            cut_other_connections()
            publish_to(endpoint)
            receiver.wait_for(2)
            wait_until(lambda: listeners() > 0, "a listening drain")

    def test_settlement_with_unknown_commit_is_written_once(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish_to(subscribed(receiver.url()), 10)
        settle, failed = settle_attempts, []

        def settle_and_disconnect(rows: Any) -> Any:
            settled = settle(rows)
            if not failed:
                failed.append(True)
                connection.connection.commit()
                connection.connection.close()
            return settled

        monkeypatch.setattr("delivery.sending.settling.settle_attempts", settle_and_disconnect)
        run_drain()
        assert failed
        assert Attempt.objects.count() == len(receiver.arrivals) == 10
        assert set(states()) == {"delivered"}

    def test_operational_events_are_published_once_despite_an_unknown_commit(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        endpoint = subscribed(receiver.script("/", 410))
        make_subscription(make_endpoint(endpoint.tenant, url=receiver.url("/ops")), event_types=["waypost.*"])
        publish_to(endpoint)
        atomic, failed = transaction.Atomic.__exit__, []

        def commit_and_disconnect(block: Any, *error: Any) -> None:
            atomic(block, *error)
            if not failed and not connection.in_atomic_block and Delivery.objects.filter(state="dead").exists():
                failed.append(True)
                connection.connection.close()
                raise OperationalError("the connection is lost")

        monkeypatch.setattr(transaction.Atomic, "__exit__", commit_and_disconnect)
        run_drain()
        assert failed
        endpoint.refresh_from_db()
        assert endpoint.state == "disabled"
        deferred.run()
        run_drain()
        published = [orjson.loads(it.body)["type"] for it in receiver.at("/ops")]
        assert sorted(published) == ["waypost.delivery.dead", "waypost.endpoint.disabled"]

    def test_error_in_a_statement_ends_the_drain(self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("delivery.sql.claim.CLAIM_DUE", "SELECT 1 / 0 FROM due")
        publish_to(subscribed(receiver.url()))
        with pytest.raises(DataError):
            run_drain()


def cut_other_connections() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def listeners() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'"
        )
        return int(cursor.fetchone()[0])
