"""Dead letters come back: those that were meant, once each, no faster than asked."""

import threading
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from delivery.models import DeadLetter, Delivery, Replay
from delivery.publishing.publisher import publish
from delivery.replaying import replays as verb
from delivery.replaying.replays import ReplayFilter, cancel, preview, run_slices, start
from delivery.sql.replay import replay_dead_letters
from subscriptions.models import Endpoint, Subscription
from tests.delivery.factories import make_dead_letter, make_delivery, make_event, make_replay
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.threads import in_threads
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


def letters_of(endpoint: Endpoint, count: int, **changes: object) -> list[DeadLetter]:
    deliveries = [make_delivery(make_event(endpoint.tenant), endpoint, state="dead") for _ in range(count)]
    return [make_dead_letter(delivery, **changes) for delivery in deliveries]


def run_to_the_end(row: Replay) -> Replay:
    """As if beat had rung every two seconds."""
    for _ in range(100):
        run_slices()
        row.refresh_from_db()
        if row.state != "running":
            return row
        Replay.objects.filter(id=row.id).update(sliced_at=row.sliced_at and row.sliced_at - timedelta(seconds=2))
    raise AssertionError("it does not end")


class TestBringingBack:
    def test_what_matches_is_pending_again_with_its_plan_anew(self, endpoint: Endpoint) -> None:
        letter = letters_of(endpoint, 1)[0]
        Delivery.objects.filter(id=letter.delivery_id).update(step=7, attempts=8)
        row = run_to_the_end(start(endpoint.tenant, ReplayFilter(), by="ops"))
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.step, delivery.attempts) == ("pending", 0, 8)
        assert delivery.replay_id == row.id
        letter.refresh_from_db()
        assert letter.replayed_by == "ops"
        assert letter.replayed_at is not None
        assert (row.total, row.replayed, row.state) == (1, 1, "finished")

    def test_a_second_click_changes_nothing(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 3)
        first, second = (start(endpoint.tenant, ReplayFilter(), by=who) for who in ("one", "two"))
        assert [run_to_the_end(row).replayed for row in (first, second)] == [3, 0]
        assert set(DeadLetter.objects.values_list("replayed_by", flat=True)) == {"one"}

    def test_letters_that_died_later_are_not_part_of_it(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 2)
        row = start(endpoint.tenant, ReplayFilter(), by="ops")
        letters_of(endpoint, 1, failed_at=timezone.now() + timedelta(seconds=60))
        assert run_to_the_end(row).replayed == 2

    @pytest.mark.parametrize("fast", [timedelta(hours=-1), timedelta(hours=1)])
    def test_the_clock_of_whoever_asks_or_works_does_not_count(
        self, endpoint: Endpoint, fast: timedelta, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        letters_of(endpoint, 2)
        now = timezone.now
        monkeypatch.setattr(timezone, "now", lambda: now() + fast)
        row = start(endpoint.tenant, ReplayFilter(), by="ops")
        monkeypatch.undo()
        run_slices()
        row.refresh_from_db()
        assert (row.total, row.replayed) == (2, 2)

    def test_letters_of_a_deleted_endpoint_stay_dead(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 1)
        Endpoint.objects.update(deleted_at=timezone.now())
        assert preview(endpoint.tenant, ReplayFilter()).total == 0
        assert run_to_the_end(start(endpoint.tenant, ReplayFilter(), by="ops")).replayed == 0

    def test_another_tenants_letters_are_not_touched(self, endpoint: Endpoint) -> None:
        letters_of(make_endpoint(), 2)
        assert run_to_the_end(start(endpoint.tenant, ReplayFilter(), by="ops")).replayed == 0

    def test_an_operator_brings_back_everybodys(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 1)
        letters_of(make_endpoint(), 1)
        assert run_to_the_end(start(None, ReplayFilter(), by="ops")).replayed == 2


class TestPace:
    def test_no_more_come_back_at_once_than_the_rate_allows(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 30)
        row = start(endpoint.tenant, ReplayFilter(), rate=5, by="ops")
        run_slices()
        run_slices()
        row.refresh_from_db()
        assert 0 < row.replayed <= 5 * (verb.BURST + 1)
        assert run_to_the_end(row).replayed == 30

    def test_it_goes_on_where_the_last_slice_ended(self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(verb, "SLICE", 2)
        letters_of(endpoint, 7)
        assert run_to_the_end(start(endpoint.tenant, ReplayFilter(), rate=1000, by="ops")).replayed == 7

    def test_a_cancelled_one_brings_back_nothing_more(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 3)
        row = start(endpoint.tenant, ReplayFilter(), by="ops")
        assert cancel(row)
        assert not cancel(row)
        run_slices()
        assert Delivery.objects.filter(state="dead").count() == 3

    @pytest.mark.parametrize("rate", [0, -1, 10_001])
    def test_a_rate_out_of_bounds_is_refused_by_name(self, endpoint: Endpoint, rate: int) -> None:
        with pytest.raises(ValueError, match="rate"):
            start(endpoint.tenant, ReplayFilter(), rate=rate, by="ops")


class TestCrashes:
    @pytest.fixture(autouse=True)
    def small_slices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(verb, "SLICE", 2)

    @pytest.mark.parametrize("slices", [0, 1, 2])
    def test_what_dies_in_a_slice_has_not_begun_it_and_the_next_call_goes_on(
        self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, slices: int
    ) -> None:
        letters_of(endpoint, 6)
        row = start(endpoint.tenant, ReplayFilter(), rate=1000, by="ops")
        redrive, begun = replay_dead_letters, count()

        def die_after_some_slices(*args: Any) -> Any:
            redriven = redrive(*args)
            if next(begun) == slices:
                raise SystemExit
            return redriven

        with monkeypatch.context() as dying:
            dying.setattr("delivery.replaying.dead_letters.replay_dead_letters", die_after_some_slices)
            with pytest.raises(SystemExit):
                run_slices()
        row.refresh_from_db()
        assert row.replayed == Delivery.objects.filter(state="pending").count() == 2 * slices
        assert run_to_the_end(row).replayed == 6
        assert not DeadLetter.objects.filter(replayed_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_a_letter_that_another_replay_had_in_hand_when_it_failed_is_not_passed_over(endpoint: Endpoint) -> None:
    letters_of(endpoint, 3)
    start(endpoint.tenant, ReplayFilter(), by="ops")
    slicer = threading.Thread(target=in_threads, args=(run_slices,))
    with transaction.atomic():
        list(DeadLetter.objects.select_for_update())
        slicer.start()
        wait_until(lambda: not slicer.is_alive() or somebody_waits(), "the slice to come to the letters")
        transaction.set_rollback(True)
    slicer.join()
    assert Delivery.objects.filter(state="pending").count() == 3


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


class TestUnrenderable:
    """What died because it could not be rendered is rendered anew: by the subscription as it is now."""

    def dead(self) -> Subscription:
        subscription = make_subscription(transformer={"input_paths": {"n": "$.data.n"}, "template": "{<n>: 1}"})
        publish(subscription.tenant, [{"type": "order.created", "data": {"n": 5}}])
        assert DeadLetter.objects.get().cause == "transformation_failed"
        return subscription

    def replayed(self, subscription: Subscription) -> int:
        return run_to_the_end(start(subscription.tenant, ReplayFilter(), by="ops")).replayed

    def test_as_it_was_it_stays_dead(self) -> None:
        assert self.replayed(self.dead()) == 0
        assert DeadLetter.objects.get().replayed_at is None

    def test_with_a_transformer_that_can_it_goes_in_the_new_bytes(self) -> None:
        subscription = self.dead()
        subscription.transformer = {"input_paths": {"n": "$.data.n"}, "template": '{"n": <n>}'}
        subscription.save()
        assert self.replayed(subscription) == 1
        delivery = Delivery.objects.get()
        assert (delivery.state, bytes(delivery.body or b"")) == ("pending", b'{"n": 5}')

    def test_without_a_transformer_it_goes_as_it_was_published(self) -> None:
        subscription = self.dead()
        subscription.transformer = None
        subscription.save()
        assert self.replayed(subscription) == 1
        assert Delivery.objects.get().body is None

    def test_if_nobody_wants_it_any_more_it_stays_dead(self) -> None:
        subscription = self.dead()
        subscription.delete()
        assert self.replayed(subscription) == 0

    def test_it_keeps_nobody_else_back(self) -> None:
        subscription = self.dead()
        letters_of(subscription.endpoint, 2)
        assert self.replayed(subscription) == 2


class TestFilter:
    def test_each_field_narrows(self, endpoint: Endpoint) -> None:
        gone, spent = letters_of(endpoint, 1, cause="responded_410")[0], letters_of(endpoint, 1, cause="exhausted")[0]
        later = timezone.now() + timedelta(hours=1)
        assert preview(None, ReplayFilter()).total == 2
        assert preview(None, ReplayFilter(ids=(gone.id,))).total == 1
        assert preview(None, ReplayFilter(cause="exhausted")).total == 1
        assert preview(None, ReplayFilter(endpoint=make_endpoint().id)).total == 0
        assert preview(None, ReplayFilter(type=spent.delivery.event.type)).total >= 1
        assert preview(None, ReplayFilter(since=later)).total == 0
        assert preview(None, ReplayFilter(until=later)).total == 2


@pytest.mark.django_db
def test_a_replay_that_cannot_go_on_keeps_no_other_from_it() -> None:
    endpoint = make_endpoint()
    make_subscription(endpoint, transformer={"template": 5})
    event = make_event(endpoint.tenant)
    broken = make_replay(endpoint.tenant, scope="events", filter={})
    other = make_tenant()
    letter = make_dead_letter(make_delivery(make_event(other), make_endpoint(other)))
    sound = make_replay(letter.tenant, filter={})
    assert broken.id < sound.id
    run_slices()
    assert (Replay.objects.get(id=broken.id).state, Replay.objects.get(id=sound.id).state) == ("running", "finished")
    assert event.deliveries.count() == 0
