"""A worker creates the deliveries of deferred events: in slices, in turns, once each, whatever is killed."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone
from structlog.testing import capture_logs

from delivery import notify
from delivery.fan_out import deferred
from delivery.fan_out.deferred import run, run_slice
from delivery.lifecycle import erase, retention
from delivery.models import DeadLetter, DeferredFanOut, Delivery, Event
from delivery.publishing.publisher import publish
from delivery.sql.fan_out import Head, claim_fan_out
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.models import Subscription, Tenant
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.statements import before_statements
from tests.threads import in_threads
from webhooks.kit.fair.worker_places import slice_place
from webhooks.wire.ids import new_id

TRANSFORMER = {"input_paths": {"n": "$.data.n"}, "template": '{"number": <n>}'}
UNRENDERABLE = {**TRANSFORMER, "template": "{<n>: 1}"}  # a number cannot be a name
BRANCHES = {"data": {"$or": [{"n": [{"numeric": ["=", number]}]} for number in range(100)]}}


def plain(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {"id": f"o-{number}", "source": "/orders", "type": "order.created", "data": {"n": number}, **changes}


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture(autouse=True)
def no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)
    monkeypatch.setattr(notify.fan_out_starter, "notify", lambda: None)
    monkeypatch.setattr(notify.fan_out_starter, "send", lambda: True)
    monkeypatch.setattr(notify.replay_starter, "send", lambda: True)


@pytest.fixture
def defer(settings: Any) -> Callable[..., list[UUID]]:
    """Publish events so that all that match anything are deferred; return their keys."""

    def publish_deferred(tenant: Tenant, numbers: Any = (1,), **changes: Any) -> list[UUID]:
        settings.WAYPOST_FAN_OUT_STEPS = 0
        results = publish(tenant, [plain(number, **changes) for number in numbers])
        settings.WAYPOST_FAN_OUT_STEPS = 100_000
        return [it.key for it in results if it.key is not None]

    return publish_deferred


def small_slices(monkeypatch: pytest.MonkeyPatch, **limits: int) -> None:
    for name, limit in limits.items():
        monkeypatch.setattr(f"delivery.fan_out.budget.SLICE_{name.upper()}", limit)


def run_one_slice() -> int:
    return run(seconds=0)


def finish() -> None:
    """Run until nothing can be done, however slow the machine is: one run ends after some seconds."""
    while run():
        pass


def subscribe(tenant: Tenant, count: int, **changes: Any) -> list[Subscription]:
    return [make_subscription(make_endpoint(tenant), **changes) for _ in range(count)]


def cursor() -> UUID | None:
    return DeferredFanOut.objects.get().cursor


@pytest.mark.django_db
class TestSlices:
    def test_run_creates_the_deliveries_that_publishing_would_have(
        self, tenant: Tenant, defer: Callable[..., list[UUID]]
    ) -> None:
        whole, transformed, dead = (
            make_subscription(make_endpoint(tenant), transformer=it) for it in (None, TRANSFORMER, UNRENDERABLE)
        )
        make_subscription(make_endpoint(tenant), event_types=["invoice.*"])
        make_subscription(make_endpoint(tenant), pattern={"data": {"n": [7]}})
        ordered = make_subscription(make_endpoint(tenant, ordering="subject"))
        (key,) = defer(tenant, subject="a")
        assert run() == 1
        found = {it.endpoint_id: it for it in Delivery.objects.filter(event_id=key, tenant=tenant)}
        assert found.keys() == {it.endpoint_id for it in (whole, transformed, dead, ordered)}
        assert found[whole.endpoint_id].body is None
        assert bytes(found[transformed.endpoint_id].body or b"") == b'{"number": 1}'
        assert (found[ordered.endpoint_id].order_key, found[whole.endpoint_id].order_key) == ("a", None)
        assert found[dead.endpoint_id].state == "dead"
        letter = DeadLetter.objects.get()
        assert (letter.delivery_id, letter.cause) == (found[dead.endpoint_id].id, "transformation_failed")
        assert not DeferredFanOut.objects.exists()

    def test_one_slice_finishes_many_small_events_in_order(
        self, tenant: Tenant, defer: Callable[..., list[UUID]]
    ) -> None:
        subscribe(tenant, 2)
        keys = defer(tenant, range(30))
        assert run_one_slice() == 1
        created = list(Delivery.objects.order_by("created_at").values_list("event_id", flat=True))
        assert created == [key for key in keys for _ in range(2)]

    def test_slice_ends_at_its_limit_of_deliveries_and_the_next_continues(
        self, tenant: Tenant, defer: Callable[..., list[UUID]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subscriptions = subscribe(tenant, 7)
        small_slices(monkeypatch, deliveries=3)
        defer(tenant)
        assert run_one_slice() == 1
        assert (Delivery.objects.count(), cursor()) == (3, sorted(it.id for it in subscriptions)[2])
        assert run_one_slice() == 1
        assert Delivery.objects.count() == 6
        finish()
        assert Delivery.objects.count() == 7
        assert not DeferredFanOut.objects.exists()

    def test_slice_ends_at_its_limit_of_steps_and_the_next_continues(
        self, tenant: Tenant, defer: Callable[..., list[UUID]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subscribe(tenant, 6, pattern=BRANCHES)
        other = dict(BRANCHES, type=["order.created"])
        subscribe(tenant, 6, pattern=other)
        small_slices(monkeypatch, steps=10)
        defer(tenant)
        slices = run()
        assert slices >= 3
        assert Delivery.objects.values("endpoint").distinct().count() == Delivery.objects.count() == 12

    def test_slice_ends_at_its_limit_of_bytes_and_keeps_memory_bounded(
        self, tenant: Tenant, defer: Callable[..., list[UUID]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subscribe(tenant, 5, transformer={"input_paths": {"d": "$.data"}, "template": "[<d>, <d>]"})
        small_slices(monkeypatch, bytes=5_000)
        defer(tenant, data="x" * 1_000)
        assert run_one_slice() == 1
        assert Delivery.objects.count() == 3
        finish()
        assert Delivery.objects.count() == 5

    def test_endpoint_with_subscriptions_in_two_slices_gets_the_oldest_ones_body_once(
        self, tenant: Tenant, defer: Callable[..., list[UUID]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        endpoint = make_endpoint(tenant)
        make_subscription(endpoint, pattern=BRANCHES, transformer=TRANSFORMER)
        make_subscription(endpoint, pattern=dict(BRANCHES, type=["order.created"]))
        small_slices(monkeypatch, steps=10)
        defer(tenant)
        finish()
        assert bytes(Delivery.objects.get().body or b"") == b'{"number": 1}'

    def test_subscriptions_count_as_they_are_when_the_slice_runs(
        self, tenant: Tenant, defer: Callable[..., list[UUID]]
    ) -> None:
        deleted, inactive = subscribe(tenant, 2)
        defer(tenant)
        delete_endpoint(deleted.endpoint)
        Subscription.objects.filter(pk=inactive.pk).update(active=False)
        added = make_subscription(make_endpoint(tenant))
        finish()
        assert [it.endpoint_id for it in Delivery.objects.all()] == [added.endpoint_id]

    def test_event_that_matches_nothing_any_more_is_finished(
        self, tenant: Tenant, defer: Callable[..., list[UUID]]
    ) -> None:
        (subscription,) = subscribe(tenant, 1)
        defer(tenant)
        subscription.delete()
        assert run() == 1
        assert not DeferredFanOut.objects.exists()

    def test_erased_event_is_not_routed(self, tenant: Tenant, defer: Callable[..., list[UUID]]) -> None:
        subscribe(tenant, 1)
        defer(tenant)
        erase.erase(Event.objects.get(), "ops")
        assert run() == 0
        assert not Delivery.objects.exists()

    def test_retention_keeps_an_event_that_is_not_routed(
        self, tenant: Tenant, defer: Callable[..., list[UUID]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subscribe(tenant, 1)
        (key,) = defer(tenant)
        later = timezone.now() + timedelta(days=400)
        monkeypatch.setattr(timezone, "now", lambda: later)
        retention.apply_retention()
        assert Event.objects.get().id == key
        finish()
        assert Delivery.objects.get().event_id == key

    def test_deleted_event_is_finished(self, tenant: Tenant, defer: Callable[..., list[UUID]]) -> None:
        subscribe(tenant, 1)
        defer(tenant, (1, 2))
        Event.objects.filter(event_id="o-1")._raw_delete("default")  # type: ignore[attr-defined]
        finish()
        assert [it.event.event_id for it in Delivery.objects.select_related("event")] == ["o-2"]
        assert not DeferredFanOut.objects.exists()


@pytest.mark.django_db
class TestTurns:
    def test_event_of_another_tenant_waits_for_one_slice_of_a_long_backlog(
        self, tenant: Tenant, defer: Callable[..., list[UUID]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subscribe(tenant, 20)
        small_slices(monkeypatch, deliveries=5)
        defer(tenant, range(10))
        run_one_slice()
        other = subscribe(make_tenant(), 1)[0].tenant
        defer(other)
        run_one_slice()
        run_one_slice()
        assert Delivery.objects.filter(tenant=other).count() == 1
        assert Delivery.objects.filter(tenant=tenant).count() <= 10

    def test_every_tenant_has_a_turn_in_each_round(
        self, defer: Callable[..., list[UUID]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tenants = [subscribe(make_tenant(), 6)[0].tenant for _ in range(4)]
        small_slices(monkeypatch, deliveries=2)
        for it in tenants:
            defer(it)
        for created in (2, 4, 6):
            for _ in tenants:
                run_one_slice()
            assert [Delivery.objects.filter(tenant=it).count() for it in tenants] == [created] * 4

    def test_tenant_whose_slice_fails_delays_no_other(self, tenant: Tenant, defer: Callable[..., list[UUID]]) -> None:
        subscribe(tenant, 1)
        other = subscribe(make_tenant(), 1)[0].tenant
        defer(tenant)
        defer(other)
        (broken,) = subscribe(tenant, 1, transformer={"template": 5})
        with capture_logs() as logs:
            finish()
        assert [it["event"] for it in logs if it["log_level"] == "error"] == ["deferred fan-out failed"]
        assert [it.tenant_id for it in Delivery.objects.all()] == [other.id]
        broken.delete()
        finish()
        assert DeferredFanOut.objects.get().tenant_id == tenant.id  # it is retried after a while
        expire_claims()
        finish()
        assert Delivery.objects.filter(tenant=tenant).count() == 1


def expire_claims() -> None:
    DeferredFanOut.objects.filter(claimed_until__isnull=False).update(claimed_until=timezone.now() - timedelta(hours=1))


def claim(tenant: Tenant) -> tuple[Head, UUID]:
    head = Head(tenant.id, DeferredFanOut.objects.filter(tenant=tenant).order_by("id")[0].event_id)
    token = new_id()
    assert claim_fan_out(token, head.event_id, 256)
    return head, token


@pytest.mark.django_db
class TestClaims:
    def test_claimed_tenant_is_left_to_its_worker(
        self, tenant: Tenant, defer: Callable[..., list[UUID]], settings: Any
    ) -> None:
        settings.WAYPOST_FAN_OUT_WORKERS = 2
        subscribe(tenant, 1)
        defer(tenant, (1, 2))
        claim(tenant)
        assert run() == 0
        expire_claims()
        assert run() == 1

    def test_claim_of_a_clock_that_was_ahead_is_void(self, tenant: Tenant, defer: Callable[..., list[UUID]]) -> None:
        subscribe(tenant, 1)
        defer(tenant)
        claim(tenant)
        DeferredFanOut.objects.update(claimed_until=timezone.now() + timedelta(minutes=3))
        assert run() == 1

    def test_no_more_slices_at_once_than_workers_are_set(
        self, tenant: Tenant, defer: Callable[..., list[UUID]], settings: Any
    ) -> None:
        subscribe(tenant, 1)
        other = subscribe(make_tenant(), 1)[0].tenant
        defer(tenant)
        defer(other)
        claim(tenant)
        assert run() == 0
        settings.WAYPOST_FAN_OUT_WORKERS = 2
        assert run() == 1

    def test_worker_that_outlived_its_claim_stores_nothing(
        self, tenant: Tenant, defer: Callable[..., list[UUID]]
    ) -> None:
        subscribe(tenant, 3)
        defer(tenant)
        head, token = claim(tenant)
        expire_claims()
        claim(tenant)
        assert not run_slice(head, token)
        assert not Delivery.objects.exists()

    def test_worker_stores_nothing_of_events_that_another_has_finished(
        self, tenant: Tenant, defer: Callable[..., list[UUID]]
    ) -> None:
        subscribe(tenant, 3)
        defer(tenant)
        head, token = claim(tenant)
        expire_claims()
        finish()
        assert not run_slice(head, token)
        assert Delivery.objects.count() == 3

    def test_claimed_event_that_is_no_longer_the_first_is_released(
        self, tenant: Tenant, defer: Callable[..., list[UUID]]
    ) -> None:
        subscribe(tenant, 1)
        first, second = defer(tenant, (1, 2))
        token = new_id()
        assert claim_fan_out(token, second, 256)  # as if the first had been committed since
        assert not run_slice(Head(tenant.id, second), token)
        assert not Delivery.objects.exists()
        finish()
        assert list(Delivery.objects.order_by("created_at").values_list("event_id", flat=True)) == [first, second]


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def kill_before_statement(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Set up that the process ends before its n-th statement: nothing after it runs, and the connection breaks."""
    remaining: list[int] = []

    def count(_statement: Any) -> None:
        if remaining and threading.current_thread() is threading.main_thread():
            remaining[0] -= 1
            if remaining[0] == 0:
                remaining.clear()
                connection.close()
                raise Killed

    def arm(number: int) -> None:
        remaining[:] = [number]

    before_statements(monkeypatch, count)
    yield arm
    remaining.clear()


@pytest.mark.django_db(transaction=True)
class TestCrashes:
    def test_worker_killed_before_any_statement_loses_and_repeats_nothing(
        self,
        defer: Callable[..., list[UUID]],
        monkeypatch: pytest.MonkeyPatch,
        kill_before_statement: Callable[[int], None],
    ) -> None:
        small_slices(monkeypatch, deliveries=3)
        for number in range(1, 100):
            tenant = make_tenant()
            subscriptions = subscribe(tenant, 4) + subscribe(tenant, 1, transformer=UNRENDERABLE)
            keys = defer(tenant, (1, 2))
            kill_before_statement(number)
            try:
                finish()
            except Killed:
                was_killed = True
            else:
                was_killed = False
            kill_before_statement(0)
            expire_claims()
            finish()
            created = Delivery.objects.filter(tenant=tenant).values_list("event_id", "endpoint_id")
            assert sorted(created) == sorted((key, it.endpoint_id) for key in keys for it in subscriptions)
            assert DeadLetter.objects.filter(tenant=tenant).count() == 2
            assert not DeferredFanOut.objects.exists()
            if not was_killed:
                assert number > 10
                return
        raise AssertionError("it does not end")

    def test_publisher_killed_before_any_statement_leaves_an_event_with_its_fan_out_or_neither(
        self, defer: Callable[..., list[UUID]], kill_before_statement: Callable[[int], None]
    ) -> None:
        for number in range(1, 100):
            tenant = make_tenant()
            subscribe(tenant, 1)
            kill_before_statement(number)
            try:
                defer(tenant)
            except Killed:
                was_killed = True
            else:
                was_killed = False
            kill_before_statement(0)
            stored = Event.objects.filter(tenant=tenant).count()
            assert DeferredFanOut.objects.filter(tenant=tenant).count() == stored
            finish()
            assert Delivery.objects.filter(tenant=tenant).count() == stored
            if not was_killed:
                return
        raise AssertionError("it does not end")

    def test_workers_side_by_side_create_each_delivery_once_and_keep_the_order(
        self, defer: Callable[..., list[UUID]], monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        settings.WAYPOST_FAN_OUT_WORKERS, settings.WAYPOST_DEFAULT_WORKERS = 4, 6
        small_slices(monkeypatch, deliveries=7)
        keys: dict[UUID, list[UUID]] = {}
        for _ in range(3):
            tenant = make_tenant()
            make_subscription(make_endpoint(tenant, ordering="endpoint"))
            subscribe(tenant, 3)
            keys[tenant.id] = defer(tenant, range(20))
        in_threads(*(finish for _ in range(4)))
        finish()
        assert not DeferredFanOut.objects.exists()
        for tenant_id, events in keys.items():
            created = Delivery.objects.filter(tenant_id=tenant_id)
            assert created.count() == created.values("event_id", "endpoint_id").distinct().count() == 80
            ordered = created.filter(order_key__isnull=False).order_by("created_at", "id")
            assert list(ordered.values_list("event_id", flat=True)) == events

    def test_events_published_while_others_are_routed_keep_the_order_of_an_ordered_endpoint(
        self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        """Each publisher waits for its result before it publishes the next event."""
        small_slices(monkeypatch, deliveries=3)
        make_subscription(make_endpoint(tenant, ordering="subject"))
        subscribe(tenant, 4)
        settings.WAYPOST_FAN_OUT_STEPS_PER_SECOND = 500  # those of five events: the next ones are deferred
        published: dict[str, list[UUID]] = {}
        routings = set()
        is_over = threading.Event()

        def publisher(subject: str) -> None:
            keys = published.setdefault(subject, [])
            for number in range(40):
                (result,) = publish(tenant, [plain(number, id=f"{subject}-{number}", subject=subject)])
                assert result.key is not None
                keys.append(result.key)
                routings.add(result.routing)

        def worker() -> None:
            while not is_over.is_set():
                deferred.run()

        def publishers() -> None:
            try:
                results = in_threads(*(lambda subject=name: publisher(subject) for name in ("a", "b")))
                assert results == [None, None]
            finally:
                is_over.set()

        assert in_threads(publishers, worker) == [None, None]
        assert routings == {"routed", "deferred"}
        finish()
        assert not DeferredFanOut.objects.exists()
        ordered = Delivery.objects.filter(order_key__isnull=False).order_by("created_at", "id")
        for subject, keys in published.items():
            assert list(ordered.filter(order_key=subject).values_list("event_id", flat=True)) == keys


@pytest.mark.django_db(transaction=True)
def test_deferred_event_waits_until_a_process_of_the_worker_may_work_in_slices(
    tenant: Tenant, defer: Callable[..., list[UUID]]
) -> None:
    subscribe(tenant, 1)
    defer(tenant)
    with slice_place() as is_free:
        assert is_free
        assert in_threads(run) == [0]
    assert in_threads(run) == [1]
