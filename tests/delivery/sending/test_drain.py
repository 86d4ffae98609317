"""Drains in this process, real endpoints, a real database."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import DataError, OperationalError, connection, transaction
from django.utils import timezone

from delivery import notify
from delivery.lifecycle import sweep
from delivery.models import Attempt, DeadLetter, Delivery, Event, Lane
from delivery.publishing.publisher import publish
from delivery.sending import capacity, drain, leased_lanes
from delivery.sending.drain import deliver_due
from delivery.sql.due import CHANNEL
from delivery.sql.settle import settle_attempts
from subscriptions.endpoints.endpoints import change_endpoint, delete_endpoint, disable, enable, pause, resume
from subscriptions.models import Endpoint
from tests import receiver as scripts
from tests.factories import make_endpoint, make_subscription
from tests.receiver import Receiver
from tests.together import in_threads
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints on this machine may be called; nobody rings at the broker."""
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    monkeypatch.setattr(notify, "call", lambda task, queue: None)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as it:
        yield it


def subscribed(url: str, **changes: Any) -> Endpoint:
    return make_subscription(make_endpoint(**{"url": url, "timeout_ms": 1_000, **changes})).endpoint


def publish_to(endpoint: Endpoint, count: int = 1) -> list[UUID]:
    results = publish(endpoint.tenant, [{"type": "order.created", "data": {"n": n}} for n in range(count)])
    return [it.id for it in results if it.id]


def run_drain(**options: Any) -> int:
    return deliver_due(**{"idle_timeout": 0.1, "seconds": 60.0, "stopping": lambda: False, **options})


@contextmanager
def draining(**options: Any) -> Iterator[None]:
    """A drain runs beside the test, until its end."""
    over = threading.Event()
    options = {"idle_timeout": 600.0, "seconds": 600.0, "stopping": over.is_set, **options}
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.extend(in_threads(lambda: deliver_due(**options))))
    thread.start()
    try:
        yield
    finally:
        over.set()
        connection.cursor().execute(f"NOTIFY {CHANNEL}")  # it may be asleep until somebody rings
        thread.join()
    assert isinstance(results[0], int), results


def states() -> list[str]:
    return sorted(Delivery.objects.values_list("state", flat=True))


def owe_again(endpoint: Endpoint) -> None:
    """Time passes: what waits for its next attempt is due."""
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.filter(endpoint=endpoint, state="pending").update(next_attempt_at=past)
    Lane.objects.filter(endpoint=endpoint).update(due_at=past, floor_at=None)


class TestOneEndpoint:
    def test_what_is_published_arrives_signed_and_is_recorded(self, receiver: Receiver) -> None:
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

    def test_a_thousand_events_arrive_once_each(self, receiver: Receiver) -> None:
        publish_to(subscribed(receiver.url()), 1000)
        assert run_drain() == 1000
        assert set(receiver.counts().values()) == {1}
        assert len(receiver.arrivals) == Attempt.objects.count() == 1000
        assert set(states()) == {"delivered"}

    def test_afterwards_nothing_is_held(self, receiver: Receiver) -> None:
        publish_to(subscribed(receiver.url()), 10)
        run_drain()
        lane = Lane.objects.get()
        assert (lane.owner, lane.due_at, lane.parked) == (None, None, False)

    def test_what_failed_waits_for_its_turn_with_the_lane_due_by_then(self, receiver: Receiver) -> None:
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
        assert (lane.failures, bytes(Attempt.objects.get().answer or b"")) == (1, b"oh")

    def test_every_attempt_has_the_same_id_and_bytes_and_a_signature_of_its_own(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 500, scripts.reset, 200), retry_plan=[1000, 1000])
        publish_to(endpoint)
        for _ in range(3):
            run_drain()
            owe_again(endpoint)
        assert len(receiver.arrivals) == 3
        assert len({(it.message_id, it.body) for it in receiver.arrivals}) == 1
        assert Delivery.objects.get().state == "delivered"
        history = list(Attempt.objects.order_by("number").values_list("number", "status", "error"))
        assert history == [(1, 500, "status"), (2, None, "reset"), (3, 200, "")]

    def test_when_the_plan_is_used_up_it_is_dead(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 500), retry_plan=[1000])
        publish_to(endpoint)
        for _ in range(3):
            run_drain()
            owe_again(endpoint)
        letter = DeadLetter.objects.get()
        assert (letter.cause, letter.attempts, letter.delivery.state) == ("exhausted", 2, "dead")
        assert len(receiver.arrivals) == 2

    def test_an_endpoint_that_moves_while_its_old_address_says_gone_stays_on(self, receiver: Receiver) -> None:
        new = receiver.url("/new")

        def moves(exchange: scripts.Exchange) -> None:
            in_threads(lambda: Endpoint.objects.update(url=new))
            scripts.status(410)(exchange)

        endpoint = subscribed(receiver.script("/", moves), max_in_flight=1, ordering="endpoint")
        publish_to(endpoint, 2)
        run_drain()
        endpoint.refresh_from_db()
        assert (endpoint.state, endpoint.url) == ("active", new)
        owe_again(endpoint)
        run_drain()
        assert len(receiver.at("/new")) == 2

    def test_what_its_old_address_called_gone_goes_to_the_new_one(self, receiver: Receiver) -> None:
        new = receiver.url("/new")

        def moves(exchange: scripts.Exchange) -> None:
            in_threads(lambda: Endpoint.objects.update(url=new))
            scripts.status(410)(exchange)

        endpoint = subscribed(receiver.script("/", moves), retry_plan=[1000])
        publish_to(endpoint)
        run_drain()
        assert states() == ["pending"]
        owe_again(endpoint)
        run_drain()
        assert (len(receiver.at("/new")), states()) == (1, ["delivered"])

    def test_an_endpoint_that_is_gone_gets_nothing_more(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 410), max_in_flight=1)
        publish_to(endpoint, 5)
        run_drain()
        endpoint.refresh_from_db()
        assert (endpoint.state, endpoint.disabled_reason) == ("disabled", "gone")
        assert len(receiver.arrivals) == 1
        assert states() == ["dead"] * 5
        assert set(DeadLetter.objects.values_list("cause", flat=True)) == {"gone"}

    def test_without_a_secret_nothing_leaves_and_the_history_says_why(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url())
        endpoint.secrets.all().delete()
        publish_to(endpoint)
        run_drain()
        assert not receiver.arrivals
        assert Attempt.objects.get().error == "unsigned"
        assert Delivery.objects.get().state == "pending"

    def test_an_address_that_may_not_be_called_is_not_called(self, receiver: Receiver, settings: Any) -> None:
        settings.WAYPOST_ALLOW_NETWORKS = []
        publish_to(subscribed(receiver.url()))
        run_drain()
        assert not receiver.arrivals
        assert Attempt.objects.get().error == "forbidden"


class TestWhatIsNotSent:
    def test_a_paused_endpoint_waits_and_goes_on_when_it_is_resumed(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url())
        pause(endpoint)
        publish_to(endpoint, 3)
        run_drain()
        assert (len(receiver.arrivals), Lane.objects.get().parked) == (0, True)
        assert set(Delivery.objects.values_list("state", "attempts")) == {("pending", 0)}
        resume(endpoint)
        sweep.rescue()
        run_drain()
        assert len(receiver.arrivals) == 3

    def test_pausing_in_the_middle_holds_back_the_rest(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", scripts.slow(0.05)), max_in_flight=1)
        publish_to(endpoint, 500)
        with draining():
            receiver.wait_for(1)
            pause(endpoint)
            wait_until(lambda: Lane.objects.get().owner is None, "the lane to be given back")
        assert set(states()) == {"delivered", "pending"}
        assert len(receiver.arrivals) == Delivery.objects.filter(state="delivered").count()

    def test_what_a_gone_endpoint_was_owed_is_buried_by_and_by_while_others_are_served(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leased_lanes, "DEAD_LETTER_BATCH", 1)
        gone, other = subscribed(receiver.url("/gone")), subscribed(receiver.url("/other"))
        publish_to(gone, 300)
        delete_endpoint(gone)
        with draining():
            wait_until(lambda: DeadLetter.objects.exists(), "the first burial")
            publish_to(other)
            receiver.wait_for(1, "/other")
            assert gone.deliveries.filter(state="pending").exists()
            wait_until(lambda: not gone.deliveries.exclude(state="dead").exists(), "the last burial")

    def test_a_drain_that_ends_leaves_its_burials_to_the_next(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leased_lanes, "DEAD_LETTER_BATCH", 1)
        gone = subscribed(receiver.url())
        publish_to(gone, 20)
        delete_endpoint(gone)
        run_drain(stopping=lambda: DeadLetter.objects.exists())
        assert Lane.objects.get().due_at is not None
        run_drain()
        assert states() == ["dead"] * 20

    def test_what_a_deleted_endpoint_was_owed_is_buried(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url())
        publish_to(endpoint, 3)
        delete_endpoint(endpoint)
        run_drain()
        assert not receiver.arrivals
        assert list(DeadLetter.objects.values_list("cause", flat=True)) == ["endpoint_deleted"] * 3


class TestPace:
    def test_no_more_are_under_way_than_the_endpoint_allows(self, receiver: Receiver) -> None:
        now, most, lock = [0], [0], threading.Lock()

        def counted(exchange: scripts.Exchange) -> None:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            exchange.pause(0.02)
            with lock:
                now[0] -= 1
            scripts.status(200)(exchange)

        publish_to(subscribed(receiver.script("/", counted), max_in_flight=3), 40)
        run_drain()
        assert most[0] == 3

    def test_a_rate_limit_holds_and_is_used_up(self, receiver: Receiver) -> None:
        publish_to(subscribed(receiver.url(), rate_limit=20), 30)  # two at once, then one every 50 ms
        began = time.time()
        run_drain()
        assert len(receiver.arrivals) == 30
        assert receiver.arrivals[-1].at - began >= (30 - 2) / 20 - 0.05
        assert {it.attempts for it in Delivery.objects.all()} == {1}

    def test_what_waited_for_an_endpoint_to_be_resumed_drains_within_its_rate(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url(), rate_limit=20)
        pause(endpoint)
        publish_to(endpoint, 30)
        run_drain()
        resume(endpoint)
        sweep.rescue()
        began = time.time()
        run_drain()
        assert len(receiver.arrivals) == 30
        assert receiver.arrivals[-1].at - began >= (30 - 2) / 20 - 0.05

    def test_a_tripped_lane_is_left_alone(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.url())
        publish_to(endpoint)
        until = timezone.now() + timedelta(hours=1)
        Lane.objects.update(trips=1, tripped_until=until, due_at=timezone.now())
        run_drain()
        assert not receiver.arrivals
        lane = Lane.objects.get()
        assert (lane.owner, lane.due_at) == (None, until)

    def test_after_the_pause_a_probe_that_is_delivered_lets_the_rest_go(self, receiver: Receiver) -> None:
        publish_to(subscribed(receiver.url()), 20)
        Lane.objects.update(trips=1, failures=30, tripped_until=timezone.now())
        run_drain()
        assert len(receiver.arrivals) == 20
        assert Lane.objects.get().trips == 0


class TestMoving:
    """What its owner changes about an endpoint that failed is tried at once."""

    def tripped(self, receiver: Receiver) -> Endpoint:
        """One that has failed for five days, less a minute; its breaker stays open for a quarter of an hour."""
        endpoint = subscribed(receiver.script("/old", 500))
        publish_to(endpoint, 3)
        since, until = timezone.now() - timedelta(days=5, seconds=-60), timezone.now() + timedelta(minutes=15)
        Endpoint.objects.update(state_changed_at=since - timedelta(days=1))
        Lane.objects.update(failures=99, failing_since=since, trips=9, tripped_until=until, due_at=until, warned=3)
        return endpoint

    def test_an_endpoint_that_is_moved_waits_for_no_probe(self, receiver: Receiver) -> None:
        endpoint = self.tripped(receiver)
        sweep.rescue()
        run_drain()
        assert not receiver.arrivals
        change_endpoint(endpoint, {"url": receiver.url("/new")})
        sweep.rescue()
        run_drain()
        assert (len(receiver.at("/new")), receiver.at("/old")) == (3, [])

    def test_one_that_is_switched_on_again_starts_at_the_foot_of_the_ladder(self, receiver: Receiver) -> None:
        endpoint = self.tripped(receiver)
        disable(endpoint, "failing")
        enable(endpoint)
        sweep.rescue()
        run_drain()
        assert len(receiver.at("/old")) == 3
        lane = Lane.objects.get()
        assert (lane.failures, lane.trips, lane.tripped_until, lane.warned) == (3, 0, None, 0)
        assert lane.failing_since is not None
        assert lane.failing_since > timezone.now() - timedelta(days=1)

    def test_other_changes_leave_the_breaker_alone(self, receiver: Receiver) -> None:
        change_endpoint(self.tripped(receiver), {"description": "the same as before"})
        sweep.rescue()
        run_drain()
        assert not receiver.arrivals


class TestOrder:
    def publish_in_turn(self, endpoint: Endpoint, numbers: Iterable[int], keys: int = 7) -> None:
        publish(
            endpoint.tenant,
            [{"type": "order.created", "subject": f"s{n % keys}", "data": {"n": n}} for n in numbers],
        )

    def arrived(self, receiver: Receiver) -> dict[str, list[int]]:
        """The numbers of the events that arrived, in the order of their arrival, by subject."""
        found: dict[str, list[int]] = {}
        for it in receiver.arrivals:
            event = orjson.loads(it.body)
            found.setdefault(event["subject"], []).append(event["data"]["n"])
        return found

    @pytest.mark.parametrize("batch", [140, 7, 1])
    def test_each_key_arrives_in_the_order_it_was_published_in(self, receiver: Receiver, batch: int) -> None:
        endpoint = subscribed(receiver.script("/", scripts.slow(0.002)), ordering="subject")
        for begin in range(0, 140, batch):
            self.publish_in_turn(endpoint, range(begin, begin + batch))
        run_drain()
        assert self.arrived(receiver) == {f"s{n}": list(range(n, 140, 7)) for n in range(7)}

    def test_an_endpoint_in_order_gets_one_at_a_time(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", scripts.slow(0.005)), ordering="endpoint")
        self.publish_in_turn(endpoint, range(30))
        run_drain()
        assert [orjson.loads(it.body)["data"]["n"] for it in receiver.arrivals] == list(range(30))

    def test_a_head_that_fails_holds_up_its_key_until_it_is_through(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 500, 200), ordering="subject", retry_plan=[1000])
        self.publish_in_turn(endpoint, range(4), keys=2)
        run_drain()
        states = dict(Delivery.objects.values_list("event__subject", "state").distinct())
        held = next(subject for subject, state in states.items() if state == "pending")
        assert Delivery.objects.filter(event__subject=held, state="pending").count() == 2
        owe_again(endpoint)
        run_drain()
        assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
        arrived = self.arrived(receiver)
        assert arrived[held][0] == arrived[held][1]  # the failure and its retry, and only then the next one
        assert arrived[held] == sorted(arrived[held])

    def test_a_head_that_is_given_up_lets_the_next_one_go(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", 500, 200), ordering="endpoint", retry_plan=[])
        self.publish_in_turn(endpoint, range(2))
        run_drain()
        assert states() == ["dead", "delivered"]


class TestNeighbours:
    def test_a_tenant_with_many_due_endpoints_delays_another_by_no_turn(
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

    def test_one_delivery_that_cannot_be_made_a_request_of_fails_alone(self, receiver: Receiver) -> None:
        broken = subscribed(receiver.url("/broken"), content_mode="binary", retry_plan=[])
        Event.objects.filter(id__in=publish_to(broken)).update(body=b"{")
        well = subscribed(receiver.url("/well"))
        publish_to(well, 3)
        run_drain()
        assert len(receiver.at("/well")) == 3
        assert receiver.at("/broken") == []
        delivery = broken.deliveries.get()
        assert (delivery.state, delivery.last_error, delivery.attempts) == ("dead", "internal", 1)

    def test_one_that_hangs_holds_up_nobody_else(self, receiver: Receiver) -> None:
        hanging = subscribed(receiver.script("/hang", scripts.hang), timeout_ms=30_000)
        fast = subscribed(receiver.url("/fast"), timeout_ms=30_000)
        publish_to(hanging, 200)
        publish_to(fast, 200)
        with draining():
            receiver.wait_for(200, "/fast")
            wait_until(lambda: not fast.deliveries.exclude(state="delivered").exists(), "the settlements")
            assert not hanging.deliveries.filter(attempts__gt=0).exists()
            receiver.closing.set()  # those who hang are let go

    def test_those_that_hang_take_no_places_from_others(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
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

    def test_a_tenant_whose_endpoints_all_hang_leaves_room_for_the_others(
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

    def test_more_lanes_than_a_drain_can_hold_have_their_turns(
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

    def test_two_drains_share_the_work_and_repeat_none_of_it(self, receiver: Receiver) -> None:
        for number in range(4):
            publish_to(subscribed(receiver.url(f"/{number}")), 100)
        assert sum(in_threads(run_drain, run_drain)) == 400
        assert len(receiver.arrivals) == len(receiver.counts()) == 400


class TestRunning:
    def test_a_running_drain_hears_the_bell(self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        """It looks by itself only every ten minutes here."""
        for module in (drain, leased_lanes):
            monkeypatch.setattr(module, "POLL_EVERY", 600.0)
        endpoint = subscribed(receiver.url())
        with draining():
            for count in range(1, 6):
                publish_to(endpoint)
                receiver.wait_for(count)

    def test_a_lost_ring_costs_a_moment_and_no_event(self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("delivery.notify.CHANNEL", "somewhere_else")
        endpoint = subscribed(receiver.url())
        with draining():
            publish_to(endpoint)
            receiver.wait_for(1)

    def test_it_ends_when_nothing_is_due(self) -> None:
        assert run_drain() == 0

    def test_when_its_time_is_up_it_calls_a_successor(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[str] = []
        monkeypatch.setattr(notify, "call", lambda task, queue: calls.append(task))
        run_drain(seconds=0.0)
        assert calls == ["delivery.deliver_due"]

    def test_told_to_stop_it_claims_no_more_and_finishes_what_is_under_way(self, receiver: Receiver) -> None:
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

    def test_it_leaves_the_plans_of_its_connection_as_they_were(self) -> None:
        run_drain()
        with connection.cursor() as cursor:
            cursor.execute("SHOW enable_seqscan")
            assert cursor.fetchone() == ("on",)


class TestTheDatabase:
    def test_a_connection_that_breaks_is_made_again(self, receiver: Receiver) -> None:
        endpoint = subscribed(receiver.script("/", scripts.slow(0.02)), max_in_flight=2)
        with draining():
            publish_to(endpoint, 20)
            receiver.wait_for(5)
            cut_the_others_off()
            wait_until(lambda: self.all_delivered(20), "everything to be delivered")
            publish_to(endpoint, 20)
            wait_until(lambda: self.all_delivered(40), "the rest to be delivered")

    def all_delivered(self, count: int) -> bool:
        Delivery.objects.filter(state="sending").update(claimed_until=timezone.now() + timedelta(seconds=5))
        return Delivery.objects.filter(state="delivered").count() == count

    def test_the_bell_is_heard_again_after_the_database_was_away(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        endpoint = subscribed(receiver.url())
        with draining():
            publish_to(endpoint)
            receiver.wait_for(1)
            cut_the_others_off()
            publish_to(endpoint)
            receiver.wait_for(2)
            wait_until(lambda: listeners() > 0, "somebody to listen")

    def test_a_settlement_of_which_nobody_knows_whether_it_was_written_is_written_once(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish_to(subscribed(receiver.url()), 10)
        settle, failed = settle_attempts, []

        def settle_and_lose_the_line(rows: Any) -> Any:
            settled = settle(rows)
            if not failed:
                failed.append(True)
                connection.connection.commit()
                connection.connection.close()
            return settled

        monkeypatch.setattr("delivery.sending.drain.settle_attempts", settle_and_lose_the_line)
        run_drain()
        assert failed
        assert Attempt.objects.count() == len(receiver.arrivals) == 10
        assert set(states()) == {"delivered"}

    def test_news_are_written_with_what_they_tell_even_if_nobody_knows_whether_it_was(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        endpoint = subscribed(receiver.script("/", 410))
        make_subscription(make_endpoint(endpoint.tenant, url=receiver.url("/ops")), event_types=["waypost.*"])
        publish_to(endpoint)
        atomic, failed = transaction.Atomic.__exit__, []

        def commit_and_lose_the_line(block: Any, *error: Any) -> None:
            atomic(block, *error)
            if not failed and not connection.in_atomic_block and Delivery.objects.filter(state="dead").exists():
                failed.append(True)
                connection.connection.close()
                raise OperationalError("the connection is lost")

        monkeypatch.setattr(transaction.Atomic, "__exit__", commit_and_lose_the_line)
        run_drain()
        assert failed
        endpoint.refresh_from_db()
        assert endpoint.state == "disabled"
        told = [orjson.loads(it.body)["type"] for it in receiver.at("/ops")]
        assert sorted(told) == ["waypost.delivery.dead", "waypost.endpoint.disabled"]

    def test_a_mistake_of_ours_ends_the_drain_instead_of_being_waited_for(
        self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("delivery.sql.claim.CLAIM_DUE", "SELECT 1 / 0 FROM due")
        publish_to(subscribed(receiver.url()))
        with pytest.raises(DataError):
            run_drain()


def cut_the_others_off() -> None:
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
