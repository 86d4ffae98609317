"""Endpoints that are sent only the latest of what waits: drains with real endpoints and a real database."""

import itertools
import multiprocessing
import threading
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import connection
from django.utils import timezone

from delivery import notify
from delivery.lanes import lane_batches
from delivery.lanes.leased_lanes import POLL_EVERY
from delivery.lifecycle import sweep
from delivery.models import Attempt, Delivery, Event, Lane
from delivery.publishing.publisher import publish
from delivery.reading.explain import explain
from delivery.reading.requests.sent_request import sent_request
from delivery.replaying.resend import resend
from delivery.sending.drain import deliver_due
from subscriptions.endpoints.state import pause, resume
from subscriptions.models import Endpoint
from tests import receiver as scripts
from tests.factories import make_endpoint, make_subscription
from tests.receiver import Arrival, Receiver
from tests.threads import in_threads
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "$.data.order.id"
LONGER_THAN_A_POLL = 4 * POLL_EVERY  # for what is published while an attempt is in flight


@pytest.fixture(autouse=True)
def loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow endpoints on this machine, and send nothing to the broker."""
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)


def subscribed(url: str, **changes: Any) -> Endpoint:
    settings = {"url": url, "timeout_ms": 5_000, "latest_only": PATH, **changes}
    return make_subscription(make_endpoint(**settings)).endpoint


def publish_orders(endpoint: Endpoint, *orders: str) -> None:
    """Publish one event for each of these orders; its number is its place among them."""
    data = [{"order": {"id": order}, "n": n} for n, order in enumerate(orders)]
    publish(endpoint.tenant, [{"type": "order.changed", "data": it} for it in data])


def run_drain(idle_timeout: float = 0.1) -> int:
    return deliver_due(idle_timeout=idle_timeout, seconds=60.0, stopping=lambda: False)


def states() -> list[str]:
    return list(Delivery.objects.order_by("event_id").values_list("state", flat=True))


def numbers(arrivals: list[Arrival]) -> list[int]:
    return [orjson.loads(it.body)["data"]["n"] for it in arrivals]


def make_due(endpoint: Endpoint) -> None:
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.filter(endpoint=endpoint, state="pending").update(next_attempt_at=past)
    Lane.objects.filter(endpoint=endpoint).update(due_at=past)


class TestBacklog:
    def test_latest_of_each_key_is_sent_and_names_what_was_skipped(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url())
        publish_orders(endpoint, "a", "b", "a", "a", "c")
        run_drain()
        assert sorted(numbers(receiver.arrivals)) == [1, 3, 4]
        assert states() == ["superseded", "delivered", "superseded", "delivered", "delivered"]
        by_number = dict(zip(numbers(receiver.arrivals), receiver.arrivals, strict=True))
        skipped = [it.public_id for it in Event.objects.order_by("-id") if it.deliveries.get().state == "superseded"]
        assert by_number[3].headers["webhook-superseded"] == "2"
        assert by_number[3].headers["webhook-superseded-ids"] == ", ".join(skipped)
        assert "webhook-superseded" not in by_number[1].headers

    def test_events_without_the_value_are_all_sent(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url())
        publish(endpoint.tenant, [{"type": "order.changed", "data": {"n": n}} for n in range(3)])
        run_drain()
        assert sorted(numbers(receiver.arrivals)) == [0, 1, 2]

    def test_what_waited_for_a_paused_endpoint_is_superseded_when_it_resumes(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url(), latest_only="endpoint")
        pause(endpoint)
        for _ in range(3):
            publish_orders(endpoint, "a", "b")
            run_drain()
        assert states() == ["pending"] * 6
        resume(endpoint)
        sweep.recover()
        run_drain()
        assert states() == ["superseded"] * 5 + ["delivered"]
        assert receiver.arrivals[0].headers["webhook-superseded"] == "5"

    def test_other_endpoints_of_the_tenant_get_everything(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url("/latest"))
        make_subscription(make_endpoint(endpoint.tenant, url=receiver.url("/all")))
        publish_orders(endpoint, "a", "a", "a")
        run_drain()
        assert (len(receiver.at("/latest")), len(receiver.at("/all"))) == (1, 3)


class TestWhileItWaits:
    def test_rate_limit_lets_the_first_and_the_latest_through(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lane_batches, "SUPERSEDE_EVERY", 0.01)
        endpoint = subscribed(receiver.url(), rate_limit=1, rate_period="minute")
        over = threading.Event()
        thread = threading.Thread(
            target=lambda: in_threads(lambda: deliver_due(idle_timeout=600.0, seconds=600.0, stopping=over.is_set))
        )
        publish_orders(endpoint, "a")
        thread.start()
        try:
            receiver.wait_for(1)
            publish_orders(endpoint, "a", "a", "b")
            publish_orders(endpoint, "a")
            wait_until(lambda: states().count("superseded") == 2, "the older ones")
        finally:
            over.set()
            thread.join()
        assert states() == ["delivered", "superseded", "superseded", "pending", "pending"]
        assert len(receiver.arrivals) == 1

    def test_attempt_in_flight_is_not_touched_and_its_key_waits_for_it(self, receiver: Receiver) -> None:
        requests = itertools.count()

        def respond(exchange: scripts.Exchange) -> None:
            if next(requests) == 0:
                in_threads(lambda: publish_orders(endpoint, "a", "a"))
            scripts.status(200)(exchange)

        endpoint = subscribed(receiver.script("/", respond))
        publish_orders(endpoint, "a")
        run_drain(LONGER_THAN_A_POLL)
        assert states() == ["delivered", "superseded", "delivered"]
        assert numbers(receiver.arrivals) == [0, 1]

    def test_failed_one_that_waits_for_its_retry_gives_way_to_a_newer_one(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 500, 200), retry_plan=[3600])
        publish_orders(endpoint, "a")
        run_drain()
        publish_orders(endpoint, "a")
        run_drain()
        assert states() == ["superseded", "delivered"]
        assert Attempt.objects.filter(delivery__state="superseded").count() == 1

    def test_failure_of_one_that_was_in_flight_does_not_come_after_the_newer_one(self, receiver: Receiver) -> None:
        requests = itertools.count()

        def respond(exchange: scripts.Exchange) -> None:
            is_first = next(requests) == 0
            if is_first:
                in_threads(lambda: publish_orders(endpoint, "x", "a"))
            scripts.status(500 if is_first else 200)(exchange)

        endpoint = subscribed(receiver.script("/", respond), retry_plan=[3600])
        publish_orders(endpoint, "a")
        run_drain(LONGER_THAN_A_POLL)
        assert states() == ["superseded", "delivered", "delivered"]
        assert sorted(numbers(receiver.arrivals)) == [0, 0, 1]


class TestReplays:
    def test_older_one_that_is_sent_again_gives_way_to_a_newer_one_that_waits(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url())
        publish_orders(endpoint, "a")
        run_drain()
        older = Delivery.objects.get()
        publish_orders(endpoint, "a")
        resend(older, "test")
        run_drain()
        assert states() == ["superseded", "delivered"]

    def test_superseded_one_is_sent_again_on_request(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url())
        publish_orders(endpoint, "a", "a")
        run_drain()
        older = Delivery.objects.get(state="superseded")
        resend(older, "test")
        run_drain()
        older.refresh_from_db()
        assert (older.state, older.superseded_by_id, older.superseded_at) == ("delivered", None, None)
        assert numbers(receiver.arrivals) == [1, 0]

    def test_resending_the_latest_says_the_same_again(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url())
        publish_orders(endpoint, "a", "a")
        run_drain()
        resend(Delivery.objects.get(state="delivered"), "test")
        run_drain()
        first, again = (it.headers["webhook-superseded-ids"] for it in receiver.arrivals)
        assert first == again


class TestShown:
    def test_explanation_and_request_name_the_other_one(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url())
        publish_orders(endpoint, "a", "a")
        run_drain()
        older, newer = Delivery.objects.order_by("event_id")
        (explained,) = explain(older.event, [endpoint])
        assert explained.outcome == "superseded"
        assert newer.public_id in explained.reasons[0].detail
        shown = sent_request(newer, newer.history.get())
        assert shown is not None
        assert shown.headers is not None
        assert shown.headers["webhook-superseded-ids"] == older.event.public_id


class TestCrashes:
    def test_killed_drain_loses_nothing_and_sends_the_latest(self, receiver: Receiver) -> None:
        go_on = threading.Event()

        def respond(exchange: scripts.Exchange) -> None:
            while not go_on.is_set() and not receiver.closing.is_set():
                exchange.pause(0.005)
            scripts.status(200)(exchange)

        endpoint = subscribed(receiver.script("/", respond), timeout_ms=30_000)
        publish_orders(endpoint, "a", "a", "b")
        connection.close()  # the child process has no use for it
        process = multiprocessing.get_context("fork").Process(
            target=deliver_due, kwargs={"idle_timeout": 600.0, "stopping": lambda: False}, daemon=True
        )
        process.start()
        receiver.wait_for(2)
        process.kill()
        process.join()
        go_on.set()
        assert states() == ["superseded", "sending", "sending"]
        publish_orders(endpoint, "a")
        past = timezone.now() - timedelta(seconds=1)
        Delivery.objects.filter(state="sending").update(claimed_until=past)
        Lane.objects.update(due_at=past)
        sweep.recover()
        make_due(endpoint)
        run_drain()
        assert states() == ["superseded", "superseded", "delivered", "delivered"]
        assert Delivery.objects.get(state="delivered", supersedes__isnull=False).supersedes == 2
        cut_off = Delivery.objects.get(state="superseded", supersedes=1)
        assert [it.error for it in cut_off.history.all()] == ["unknown"]
