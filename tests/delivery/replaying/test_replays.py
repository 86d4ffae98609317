"""Replays of dead letters: those that match, once each, at the rate that was requested."""

import threading
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from delivery import notify
from delivery.models import DeadLetter, Delivery, Replay
from delivery.publishing.publisher import publish
from delivery.replaying import replays as verb
from delivery.replaying.replays import ReplayFilter, cancel, preview, run_slices, start
from delivery.sql.dead_letters import replay_dead_letters
from subscriptions.models import Endpoint, Subscription
from subscriptions.tenants.tenants import delete_tenant
from tests.delivery.factories import make_dead_letter, make_delivery, make_event, make_replay
from tests.delivery.jobs import replay_to_end
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.threads import in_threads
from tests.waiting import wait_until
from webhooks.kit.fair.worker_places import slice_place
from webhooks.kit.jobs.turns import Turns

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


def letters_of(endpoint: Endpoint, count: int, **changes: object) -> list[DeadLetter]:
    deliveries = [make_delivery(make_event(endpoint.tenant), endpoint, state="dead") for _ in range(count)]
    return [make_dead_letter(delivery, **changes) for delivery in deliveries]


class TestReplay:
    def test_matching_delivery_is_pending_with_a_new_retry_plan(self, endpoint: Endpoint) -> None:
        letter = letters_of(endpoint, 1)[0]
        Delivery.objects.filter(id=letter.delivery_id).update(step=7, attempts=8)
        row = replay_to_end(start(endpoint.tenant, ReplayFilter(), by="ops"))
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.step, delivery.attempts) == ("pending", 0, 8)
        assert delivery.replay_id == row.id
        letter.refresh_from_db()
        assert letter.closed_by == "ops"
        assert letter.closed_at is not None
        assert (row.total, row.replayed, row.state) == (1, 1, "finished")

    def test_second_replay_of_the_same_letters_changes_nothing(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 3)
        first, second = (start(endpoint.tenant, ReplayFilter(), by=who) for who in ("one", "two"))
        assert [replay_to_end(row).replayed for row in (first, second)] == [3, 0]
        assert set(DeadLetter.objects.values_list("closed_by", flat=True)) == {"one"}

    def test_later_dead_letters_are_not_selected(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 2)
        row = start(endpoint.tenant, ReplayFilter(), by="ops")
        letters_of(endpoint, 1, failed_at=timezone.now() + timedelta(seconds=60))
        assert replay_to_end(row).replayed == 2

    @pytest.mark.parametrize("fast", [timedelta(hours=-1), timedelta(hours=1)])
    def test_selection_uses_the_clock_of_the_database(
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

    def test_dead_letters_of_a_deleted_endpoint_stay_open(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 1)
        Endpoint.objects.update(deleted_at=timezone.now())
        assert preview(endpoint.tenant, ReplayFilter()).total == 0
        assert replay_to_end(start(endpoint.tenant, ReplayFilter(), by="ops")).replayed == 0

    def test_dead_letters_of_another_tenant_are_left_unchanged(self, endpoint: Endpoint) -> None:
        letters_of(make_endpoint(), 2)
        assert replay_to_end(start(endpoint.tenant, ReplayFilter(), by="ops")).replayed == 0

    def test_operator_replays_dead_letters_of_all_tenants(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 1)
        letters_of(make_endpoint(), 1)
        assert replay_to_end(start(None, ReplayFilter(), by="ops")).replayed == 2


class TestRate:
    def test_slice_is_limited_by_the_rate(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 30)
        row = start(endpoint.tenant, ReplayFilter(), rate=1, by="ops")
        run_slices()
        run_slices()
        row.refresh_from_db()
        assert 0 < row.replayed < 30
        assert replay_to_end(row).replayed == 30

    def test_slice_continues_where_the_last_ended(self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(verb, "_turns", Turns(replace(verb.KIND, size=2)))
        letters_of(endpoint, 7)
        assert replay_to_end(start(endpoint.tenant, ReplayFilter(), rate=1000, by="ops")).replayed == 7

    def test_cancelled_replay_stops(self, endpoint: Endpoint) -> None:
        letters_of(endpoint, 3)
        row = start(endpoint.tenant, ReplayFilter(), by="ops")
        assert cancel(row)
        assert not cancel(row)
        run_slices()
        assert Delivery.objects.filter(state="dead").count() == 3

    @pytest.mark.parametrize("rate", [0, -1, 10_001])
    def test_rate_out_of_range_is_invalid(self, endpoint: Endpoint, rate: int) -> None:
        with pytest.raises(ValueError, match="rate"):
            start(endpoint.tenant, ReplayFilter(), rate=rate, by="ops")


class TestCrashes:
    @pytest.fixture(autouse=True)
    def small_slices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(verb, "_turns", Turns(replace(verb.KIND, size=2)))

    @pytest.mark.parametrize("slices", [0, 1, 2])
    def test_crash_in_a_slice_rolls_it_back_and_the_next_call_continues(
        self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, slices: int
    ) -> None:
        letters_of(endpoint, 6)
        row = start(endpoint.tenant, ReplayFilter(), rate=1000, by="ops")
        original, begun = replay_dead_letters, count()

        def crash_after_some_slices(*args: Any) -> Any:
            replayed = original(*args)
            if next(begun) == slices:
                raise SystemExit
            return replayed

        with monkeypatch.context() as dying:
            dying.setattr("delivery.replaying.dead_letters.replay_dead_letters", crash_after_some_slices)
            with pytest.raises(SystemExit):
                run_slices()
        row.refresh_from_db()
        assert row.replayed == Delivery.objects.filter(state="pending").count() == 2 * slices
        assert replay_to_end(row).replayed == 6
        assert not DeadLetter.objects.filter(closed_at=None).exists()


@pytest.mark.django_db(transaction=True)
def test_letter_locked_by_a_failing_replay_is_not_skipped(endpoint: Endpoint) -> None:
    letters_of(endpoint, 3)
    start(endpoint.tenant, ReplayFilter(), by="ops")
    slicer = threading.Thread(target=in_threads, args=(run_slices,))
    with transaction.atomic():
        list(DeadLetter.objects.select_for_update())
        slicer.start()
        wait_until(lambda: not slicer.is_alive() or has_lock_wait(), "the slice to reach the locked rows")
        transaction.set_rollback(True)
    slicer.join()
    assert Delivery.objects.filter(state="pending").count() == 3


def has_lock_wait() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


class TestFailedTransformation:
    """A replay renders a failed transformation again, with the current subscription."""

    def dead(self) -> Subscription:
        subscription = make_subscription(transformer={"input_paths": {"n": "$.data.n"}, "template": "{<n>: 1}"})
        publish(subscription.tenant, [{"type": "order.created", "data": {"n": 5}}])
        assert DeadLetter.objects.get().cause == "transformation_failed"
        return subscription

    def replayed(self, subscription: Subscription) -> int:
        return replay_to_end(start(subscription.tenant, ReplayFilter(), by="ops")).replayed

    def test_unchanged_transformer_leaves_the_delivery_dead(self) -> None:
        assert self.replayed(self.dead()) == 0
        assert DeadLetter.objects.get().closed_at is None

    def test_corrected_transformer_sends_the_new_body(self) -> None:
        subscription = self.dead()
        subscription.transformer = {"input_paths": {"n": "$.data.n"}, "template": '{"n": <n>}'}
        subscription.save()
        assert self.replayed(subscription) == 1
        delivery = Delivery.objects.get()
        assert (delivery.state, bytes(delivery.body or b"")) == ("pending", b'{"n": 5}')

    def test_removed_transformer_sends_the_event(self) -> None:
        subscription = self.dead()
        subscription.transformer = None
        subscription.save()
        assert self.replayed(subscription) == 1
        assert Delivery.objects.get().body is None

    def test_removed_subscription_leaves_the_delivery_dead(self) -> None:
        subscription = self.dead()
        subscription.delete()
        assert self.replayed(subscription) == 0

    def test_dead_delivery_does_not_stop_the_others(self) -> None:
        subscription = self.dead()
        letters_of(subscription.endpoint, 2)
        assert self.replayed(subscription) == 2


@pytest.mark.django_db
def test_preview_stops_counting_dead_letters_at_a_bound(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verb, "MAX_ROWS", 2)
    letters_of(endpoint, 3)
    assert preview(endpoint.tenant, ReplayFilter()) == (2, False, True)
    assert start(endpoint.tenant, ReplayFilter(), by="ops").estimated


class TestFilter:
    def test_each_filter_field_selects(self, endpoint: Endpoint) -> None:
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
def test_failing_replay_does_not_stop_other_replays() -> None:
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


def test_deletion_of_a_tenant_ends_its_running_replays_and_no_others(endpoint: Endpoint) -> None:
    mine, other, of_all = make_replay(endpoint.tenant), make_replay(make_tenant()), make_replay(None)
    ended = make_replay(endpoint.tenant, state="finished")
    delete_tenant(endpoint.tenant)
    states = {row.pk: row.state for row in Replay.objects.all()}
    assert [states[row.pk] for row in (mine, other, of_all, ended)] == ["cancelled", "running", "running", "finished"]
    assert Replay.objects.get(pk=mine.pk).finished_at is not None


@pytest.mark.django_db(transaction=True)
def test_replay_continues_once_a_process_of_the_worker_may_work_in_slices(endpoint: Endpoint) -> None:
    letters_of(endpoint, 3)
    row = start(endpoint.tenant, ReplayFilter(), by="ops")
    with slice_place() as is_free:
        assert is_free
        in_threads(run_slices)
        row.refresh_from_db()
        assert row.replayed == 0
    in_threads(run_slices)
    row.refresh_from_db()
    assert row.replayed == 3


@pytest.mark.django_db
def test_run_ends_after_its_time_and_the_next_continues_with_the_next_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    for starter in (notify.fan_out_starter, notify.replay_starter):
        monkeypatch.setattr(starter, "send", lambda task=starter.task: sent.append(task))
    tenants = [make_tenant() for _ in range(3)]
    for tenant in tenants:
        letters_of(make_endpoint(tenant), 1)
    rows = [start(tenant, ReplayFilter(), by="ops") for tenant in [tenants[0], *tenants] for _ in range(2)]
    for number in range(1, 4):
        run_slices(seconds=0)
        replayed = [Replay.objects.get(pk=row.pk) for row in rows]
        assert len({row.tenant_id for row in replayed if row.replayed}) == number
    assert sent == ["delivery.fan_out", "delivery.replay_slices"] * 3
