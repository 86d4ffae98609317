"""Replays of past events: deliveries by the subscriptions of today, with the id and the bytes of the event."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.models import DeadLetter, Delivery, Event, Replay, UsageIncrement
from delivery.publishing.publisher import publish
from delivery.replaying import backfill
from delivery.replaying.replays import ReplayFilter, preview, run_slices, start
from subscriptions.models import Endpoint, Subscription, Tenant
from tests.clock import from_now, time_of_test
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.delivery.jobs import replay_to_end
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.threads import in_threads

pytestmark = pytest.mark.django_db


def ago() -> datetime:
    return time_of_test() - timedelta(hours=1)


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def replayed(tenant: Tenant, of: str = "events", **conditions: Any) -> Replay:
    return replay_to_end(start(tenant, ReplayFilter(**conditions, scope=of), by="ops"))


def ended(tenant: Tenant, endpoint: Endpoint, state: str = "delivered", **changes: Any) -> Delivery:
    """Create a delivery that ended in this state an hour ago."""
    delivery = make_delivery(make_event(tenant, created_at=ago(), **changes), endpoint, state=state, attempts=3, step=3)
    if state == "dead":
        make_dead_letter(delivery, failed_at=ago())
    return delivery


def events_before_their_subscription(tenant: Tenant, count: int = 3, **changes: Any) -> Subscription:
    for _ in range(count):
        make_event(tenant, created_at=ago())
    return make_subscription(make_endpoint(tenant), **changes)


class TestMissing:
    def test_missing_events_are_sent_to_a_later_endpoint(self, tenant: Tenant) -> None:
        subscription = events_before_their_subscription(tenant)
        given = ReplayFilter(endpoint=subscription.endpoint_id, scope="missing")
        assert preview(tenant, given) == (3, False, False)
        row = replay_to_end(start(tenant, given, by="ops"))
        assert (row.total, row.replayed, row.state) == (3, 3, "finished")
        pending = Delivery.objects.filter(endpoint=subscription.endpoint, state="pending", replay=row)
        assert pending.count() == 3
        assert {it.body for it in pending} == {None}

    def test_missing_deliveries_count_as_usage(self, tenant: Tenant) -> None:
        events_before_their_subscription(tenant, 3)
        replay_to_end(replayed(tenant, "missing"))
        assert sum(increment.deliveries for increment in UsageIncrement.objects.filter(tenant_id=tenant.pk)) == 3

    def test_missing_events_are_selected_by_the_current_subscription(self, tenant: Tenant) -> None:
        make_event(tenant, created_at=ago(), data={"total": 500})
        subscription = events_before_their_subscription(
            tenant,
            2,
            event_types=["order.*"],
            pattern={"data": {"total": [{"numeric": [">", 100]}]}},
            transformer={"input_paths": {"n": "$.data.total"}, "template": '{"sum": <n>}'},
        )
        make_event(tenant, created_at=ago(), type="invoice.sent", data={"total": 500})
        assert replayed(tenant, "missing").replayed == 1
        delivery = Delivery.objects.get()
        assert (delivery.endpoint_id, bytes(delivery.body or b"")) == (subscription.endpoint_id, b'{"sum": 500}')

    def test_missing_event_with_a_failing_transformation_is_dead_lettered(self, tenant: Tenant) -> None:
        events_before_their_subscription(
            tenant, 1, transformer={"input_paths": {"n": "$.data.total"}, "template": "{<n>: 1}"}
        )
        assert replayed(tenant, "missing").replayed == 0
        assert DeadLetter.objects.get().cause == "transformation_failed"
        assert Delivery.objects.get().state == "dead"

    def test_forced_replay_ignores_the_subscriptions(self, tenant: Tenant) -> None:
        endpoint = make_endpoint(tenant)
        make_event(tenant, created_at=ago())
        assert replayed(tenant, "missing", endpoint=endpoint.id).replayed == 0
        assert replayed(tenant, "missing", endpoint=endpoint.id, force=True).replayed == 1

    def test_missing_events_keep_their_order_for_an_ordered_endpoint(self, tenant: Tenant) -> None:
        publish(tenant, [{"type": "order.paid", "subject": "a"}, {"type": "order.paid"}])
        make_subscription(make_endpoint(tenant, ordering="subject"))
        replayed(tenant, "missing")
        assert {*Delivery.objects.values_list("order_key", flat=True)} == {"a", ""}

    def test_event_with_a_delivery_is_not_missing(self, tenant: Tenant) -> None:
        endpoint = make_endpoint(tenant)
        make_subscription(endpoint)
        for state in ("delivered", "cancelled", "dead", "pending", "sending"):
            ended(tenant, endpoint, state)
        assert preview(tenant, ReplayFilter(scope="missing")).total == 0
        assert replayed(tenant, "missing").replayed == 0


class TestFinished:
    @pytest.fixture
    def endpoint(self, tenant: Tenant) -> Endpoint:
        endpoint = make_endpoint(tenant)
        make_subscription(endpoint)
        return endpoint

    @pytest.mark.parametrize("state", ["delivered", "cancelled", "dead"])
    def test_finished_delivery_becomes_pending_with_its_body_and_history(
        self, tenant: Tenant, endpoint: Endpoint, state: str
    ) -> None:
        before = ended(tenant, endpoint, state)
        Delivery.objects.update(body=b"as it was")
        row = replayed(tenant)
        after = Delivery.objects.get()
        assert (after.id, after.state, after.attempts, after.step) == (before.id, "pending", 3, 0)
        assert bytes(after.body or b"") == b"as it was"
        assert (row.total, row.replayed, after.replay_id) == (1, 1, row.id)
        assert not DeadLetter.objects.filter(closed_at=None).exists()

    @pytest.mark.parametrize("state", ["pending", "sending"])
    def test_unfinished_delivery_is_left_unchanged(self, tenant: Tenant, endpoint: Endpoint, state: str) -> None:
        before = ended(tenant, endpoint, state)
        assert replayed(tenant).replayed == 0
        assert Delivery.objects.get().replay_id is None
        assert Delivery.objects.get().step == before.step

    def test_two_replays_requested_together_send_once(self, tenant: Tenant, endpoint: Endpoint) -> None:
        ended(tenant, endpoint)
        first, second = (start(tenant, ReplayFilter(scope="events"), by=who) for who in ("one", "two"))
        assert replay_to_end(first).replayed == 1
        Delivery.objects.update(state="delivered")  # delivered before the second replay reached it
        assert replay_to_end(second).replayed == 0

    def test_replay_requested_later_sends_again(self, tenant: Tenant, endpoint: Endpoint) -> None:
        ended(tenant, endpoint)
        assert replayed(tenant).replayed == 1
        Delivery.objects.update(state="delivered")
        assert replayed(tenant).replayed == 1

    def test_deleted_endpoint_gets_no_replay(self, tenant: Tenant, endpoint: Endpoint) -> None:
        ended(tenant, endpoint)
        row = start(tenant, ReplayFilter(endpoint=endpoint.id, force=True, scope="events"), by="ops")
        Endpoint.objects.update(deleted_at=timezone.now())
        assert replay_to_end(row).replayed == 0

    def test_events_of_another_tenant_are_left_unchanged(self, tenant: Tenant, endpoint: Endpoint) -> None:
        ended(tenant, endpoint)
        assert replayed(make_tenant()).replayed == 0

    def test_erased_event_is_not_replayed(self, tenant: Tenant, endpoint: Endpoint) -> None:
        ended(tenant, endpoint)
        ended(tenant, endpoint, "dead")
        Event.objects.update(payload_deleted_at=timezone.now())
        assert replayed(tenant).replayed == 0
        assert replayed(tenant, "dead_letters").replayed == 0


class TestSelection:
    @pytest.mark.parametrize(
        ("given", "found"),
        [
            ({}, 2),
            ({"type": "order.paid"}, 1),
            ({"source": "/other"}, 1),
            ({"subject": "a"}, 1),
            ({"since": timedelta(minutes=-61)}, 1),
            ({"until": timedelta(minutes=-61)}, 1),
            ({"type": "order.paid", "source": "/other"}, 0),
        ],
    )
    def test_each_filter_field_selects(self, tenant: Tenant, given: dict[str, Any], found: int) -> None:
        make_subscription(make_endpoint(tenant))
        make_event(tenant, created_at=ago() - timedelta(hours=1), type="order.paid", subject="a")
        make_event(tenant, created_at=ago(), type="order.lost", source="/other")
        given = from_now(given)
        assert preview(tenant, ReplayFilter(**given, scope="events")).total == found
        assert replayed(tenant, **given).replayed == found

    def test_ids_select_events(self, tenant: Tenant) -> None:
        make_subscription(make_endpoint(tenant))
        event = make_event(tenant, created_at=ago())
        make_event(tenant, created_at=ago())
        assert replayed(tenant, ids=(event.id,)).replayed == 1
        assert Delivery.objects.get().event_id == event.id

    def test_events_published_after_the_request_are_not_selected(self, tenant: Tenant) -> None:
        make_subscription(make_endpoint(tenant))
        row = start(tenant, ReplayFilter(scope="events"), by="ops")
        make_event(tenant, created_at=datetime.now(UTC) + timedelta(seconds=1))
        assert replay_to_end(row).replayed == 0

    @pytest.mark.parametrize("field", ["tenant", "force", "endpoint"])
    def test_invalid_replay_names_the_field(self, tenant: Tenant, field: str) -> None:
        foreign = make_endpoint()
        given = {"tenant": {}, "force": {"force": True}, "endpoint": {"endpoint": foreign.id}}[field]
        with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the field is checked below)
            start(None if field == "tenant" else tenant, ReplayFilter(**given, scope="events"), by="ops")
        assert refusal.value.args[0] == field
        assert not Replay.objects.exists()


class TestManyEvents:
    def test_replay_of_many_events_continues_at_its_rate(self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(backfill, "PAGE", 2)
        events_before_their_subscription(tenant, 7)
        make_subscription(make_endpoint(tenant))
        row = start(tenant, ReplayFilter(scope="missing"), rate=1, by="ops")
        run_slices()
        row.refresh_from_db()
        assert 0 < row.replayed < 14
        assert replay_to_end(row).replayed == 14

    def test_preview_of_very_many_events_is_an_estimate(self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(backfill, "PAGE", 2)
        monkeypatch.setattr(backfill, "MAX_COUNTED", 4)
        events_before_their_subscription(tenant, 9)
        assert preview(tenant, ReplayFilter(scope="missing")) == (9, True, False)
        row = replayed(tenant, "missing")
        assert (row.total, row.estimated, row.replayed) == (9, True, 9)

    def test_preview_stops_counting_events_at_a_bound(self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(backfill, "PAGE", 2)
        monkeypatch.setattr(backfill, "MAX_COUNTED", 4)
        monkeypatch.setattr(backfill, "MAX_ROWS", 6)
        events_before_their_subscription(tenant, 9)
        assert preview(tenant, ReplayFilter(scope="missing")) == (6, True, True)

    def test_preview_of_an_event_beyond_the_budget_is_an_estimate(
        self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(backfill, "COUNT_STEPS", 1)
        events_before_their_subscription(tenant, 2)
        assert preview(tenant, ReplayFilter(scope="missing")).estimated


@pytest.mark.django_db(transaction=True)
def test_concurrent_replays_of_the_same_events_create_each_delivery_once(settings: Any) -> None:
    settings.WAYPOST_FAN_OUT_WORKERS, settings.WAYPOST_DEFAULT_WORKERS = 4, 6
    tenant = make_tenant()
    events_before_their_subscription(tenant, 40)
    rows = [start(tenant, ReplayFilter(scope="missing"), rate=10_000, by="ops") for _ in range(3)]
    rows.append(start(tenant, ReplayFilter(scope="events"), rate=10_000, by="ops"))
    assert in_threads(*[run_slices] * 4) == [None] * 4
    assert sum(replay_to_end(row).replayed for row in rows) == 40
    assert Delivery.objects.count() == 40


class TestSlices:
    """A slice costs as little as one of a deferred fan-out, and the next one continues."""

    def small_slices(self, monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
        for name, limit in limits.items():
            monkeypatch.setattr(f"delivery.fan_out.budget.SLICE_{name.upper()}", limit)

    def one_slice(self, row: Replay, limit: int = 500) -> Replay:
        """Run one slice, and store how far it came."""
        done = backfill.run_slice(row, ReplayFilter(scope="events"), limit)
        row.cursor, row.route_cursor = done.cursor, done.route_cursor
        return row

    def test_event_with_many_endpoints_is_replayed_in_several_slices(
        self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = [make_subscription(make_endpoint(tenant)) for _ in range(7)]
        events = [make_event(tenant, created_at=ago() + timedelta(seconds=number)) for number in range(2)]
        self.small_slices(monkeypatch, deliveries=3)
        row = start(tenant, ReplayFilter(scope="events"), by="ops")
        self.one_slice(row)
        assert Delivery.objects.count() == 3
        assert (row.cursor, row.route_cursor) == (events[0].id, sorted(it.id for it in made)[2])
        replay_to_end(row)
        created = Delivery.objects.values_list("event_id", "endpoint_id")
        assert sorted(created) == sorted((event.id, it.endpoint_id) for event in events for it in made)

    def test_slice_ends_when_its_steps_are_used(self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        branches = {"data": {"$or": [{"total": [{"numeric": ["=", number]}]} for number in range(100)]}}
        for _ in range(4):
            make_subscription(make_endpoint(tenant), pattern=branches)
        for number in range(3):
            make_event(tenant, created_at=ago() + timedelta(seconds=number))
        self.small_slices(monkeypatch, steps=10)
        row = start(tenant, ReplayFilter(scope="events"), by="ops")
        self.one_slice(row)
        assert Delivery.objects.count() < 12
        replay_to_end(row)
        assert Delivery.objects.count() == 12

    def test_slice_renders_no_more_than_its_limit_and_one_body(
        self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for _ in range(5):
            make_subscription(
                make_endpoint(tenant), transformer={"input_paths": {"d": "$.data"}, "template": "[<d>, <d>]"}
            )
        make_event(tenant, created_at=ago(), data="x" * 1_000)
        self.small_slices(monkeypatch, bytes=5_000)
        row = start(tenant, ReplayFilter(scope="events"), by="ops")
        self.one_slice(row)
        assert Delivery.objects.count() == 3
        replay_to_end(row)
        assert Delivery.objects.count() == 5

    def test_erased_event_at_the_cursor_is_left_out(self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        for _ in range(4):
            make_subscription(make_endpoint(tenant))
        first, second = (make_event(tenant, created_at=ago() + timedelta(seconds=number)) for number in range(2))
        self.small_slices(monkeypatch, deliveries=3)
        row = start(tenant, ReplayFilter(scope="events"), by="ops")
        self.one_slice(row).save()
        Event.objects.filter(id=first.id).update(payload_deleted_at=timezone.now())
        replay_to_end(row)
        assert Delivery.objects.filter(event=second).count() == 4
        assert Delivery.objects.filter(event=first).count() == 3

    def test_preview_that_would_take_too_many_steps_is_an_estimate(
        self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(20):
            make_event(tenant, created_at=ago() + timedelta(seconds=number))
        make_subscription(make_endpoint(tenant))
        assert preview(tenant, ReplayFilter(scope="events")) == (20, False, False)
        monkeypatch.setattr(backfill, "COUNT_STEPS", 100)
        assert preview(tenant, ReplayFilter(scope="events")) == (20, True, False)
