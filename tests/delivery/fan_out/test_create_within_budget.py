"""Publishing defers what would exceed its budget: steps, steps of a tenant per second, deliveries, rendered bytes."""

from typing import Any

import pytest

from delivery.fan_out import deferred
from delivery.models import DeferredFanOut, Delivery, Event, UsageIncrement
from delivery.publishing.publisher import publish
from delivery.publishing.results import Published
from subscriptions.models import Subscription, Tenant
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.metrics import metric

pytestmark = pytest.mark.django_db

MANY_BRANCHES = {"data": {"$or": [{"n": [{"prefix": f"{number}x"}]} for number in range(400)]}}
REPEATS_THE_DATA = {"input_paths": {"d": "$.data"}, "template": f"[{', '.join(['<d>'] * 50)}]"}


def plain(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {"id": f"o-{number}", "source": "/orders", "type": "order.created", "data": {"n": number}, **changes}


def reasons() -> list[str]:
    return list(DeferredFanOut.objects.order_by("id").values_list("reason", flat=True))


def publish_one(tenant: Tenant, **changes: Any) -> Published:
    (result,) = publish(tenant, [plain(**changes)])
    return result


def subscribe(tenant: Tenant, count: int = 1, **changes: Any) -> list[Subscription]:
    return [make_subscription(make_endpoint(tenant), **changes) for _ in range(count)]


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


class TestLimits:
    def test_event_within_the_budget_is_routed_at_once(self, tenant: Tenant) -> None:
        subscribe(tenant, 3)
        result = publish_one(tenant)
        assert (result.routing, result.deliveries, reasons()) == ("routed", 3, [])

    def test_event_that_takes_too_many_steps_is_deferred(self, tenant: Tenant, settings: Any) -> None:
        subscribe(tenant, 5, pattern=MANY_BRANCHES)
        settings.WAYPOST_FAN_OUT_STEPS = 100
        result = publish_one(tenant, data={"n": "399x"})
        assert (result.routing, result.deliveries, reasons()) == ("deferred", 0, ["steps"])
        assert Event.objects.get().public_id
        assert not Delivery.objects.exists()

    def test_tenant_without_steps_left_has_its_next_events_deferred_and_no_other_tenant(
        self, tenant: Tenant, settings: Any
    ) -> None:
        subscribe(tenant)
        other = subscribe(make_tenant())[0].tenant
        settings.WAYPOST_FAN_OUT_STEPS_PER_SECOND = 30  # one delivery takes 20
        results = publish(tenant, [plain(number) for number in range(1, 5)])
        assert [it.routing for it in results] == ["routed", "deferred", "deferred", "deferred"]
        assert reasons() == ["rate"] * 3
        assert publish_one(other).routing == "routed"

    def test_event_with_too_many_deliveries_is_deferred(self, tenant: Tenant, settings: Any) -> None:
        subscribe(tenant, 3)
        settings.WAYPOST_FAN_OUT_DELIVERIES = 2
        assert publish_one(tenant).routing == "deferred"
        assert reasons() == ["deliveries"]

    def test_batch_with_too_many_deliveries_has_the_rest_deferred(
        self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subscribe(tenant, 3)
        monkeypatch.setattr("delivery.fan_out.budget.MAX_REQUEST_DELIVERIES", 7)
        results = publish(tenant, [plain(number) for number in range(1, 4)])
        assert [it.deliveries for it in results] == [3, 3, 0]
        assert reasons() == ["deliveries"]

    def test_event_that_renders_too_much_is_deferred(self, tenant: Tenant, settings: Any) -> None:
        subscribe(tenant, 3, transformer=REPEATS_THE_DATA)
        settings.WAYPOST_FAN_OUT_BYTES = 100_000
        assert publish_one(tenant, data="x" * 100).routing == "routed"
        assert publish_one(tenant, id="large", data="x" * 1_000).routing == "deferred"
        assert reasons() == ["bytes"]

    def test_batch_that_renders_too_much_has_the_rest_deferred(
        self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        subscribe(tenant, 1, transformer=REPEATS_THE_DATA)
        monkeypatch.setattr("delivery.fan_out.budget.MAX_REQUEST_BYTES", 120_000)
        results = publish(tenant, [plain(number, data="x" * 1_000) for number in range(1, 5)])
        assert [it.routing for it in results] == ["routed", "routed", "deferred", "deferred"]
        stored = Delivery.objects.values_list("body", flat=True)
        assert sum(len(bytes(body or b"")) for body in stored) <= 120_000


class TestResult:
    def test_deferred_events_are_counted_by_reason(self, tenant: Tenant, settings: Any) -> None:
        subscribe(tenant)
        settings.WAYPOST_FAN_OUT_STEPS = 0
        before = metric("waypost_fan_outs_deferred_total", reason="steps")
        publish(tenant, [plain(1), plain(2)])
        assert metric("waypost_fan_outs_deferred_total", reason="steps") - before == 2

    def test_repeat_tells_whether_the_first_is_deferred(self, tenant: Tenant, settings: Any) -> None:
        subscribe(tenant)
        settings.WAYPOST_FAN_OUT_STEPS = 0
        first = publish_one(tenant)
        repeat = publish_one(tenant)
        assert (repeat.id, repeat.duplicate, repeat.routing) == (first.id, True, "deferred")
        deferred.run()
        assert publish_one(tenant).routing == "routed"
        assert Delivery.objects.count() == 1

    def test_event_is_deferred_until_its_deliveries_are_created(self, tenant: Tenant, settings: Any) -> None:
        subscribe(tenant)
        settings.WAYPOST_FAN_OUT_STEPS = 0
        publish_one(tenant)
        assert Event.objects.get().routing == "deferred"
        deferred.run()
        assert Event.objects.get().routing == "routed"

    def test_usage_counts_deferred_deliveries_when_they_are_created(self, tenant: Tenant, settings: Any) -> None:
        subscribe(tenant, 2)
        settings.WAYPOST_FAN_OUT_STEPS = 0
        publish_one(tenant)
        deferred.run()
        counted = UsageIncrement.objects.filter(tenant_id=tenant.pk).values_list("events", "deliveries")
        assert sorted(counted) == [(0, 2), (1, 0)]


class TestOrder:
    def test_later_event_for_an_ordered_endpoint_waits_behind_a_deferred_one(
        self, tenant: Tenant, settings: Any
    ) -> None:
        ordered = make_subscription(make_endpoint(tenant, ordering="endpoint"))
        settings.WAYPOST_FAN_OUT_STEPS = 0
        publish_one(tenant)
        settings.WAYPOST_FAN_OUT_STEPS = 100_000
        results = publish(tenant, [plain(number) for number in (2, 3)])
        assert [it.routing for it in results] == ["deferred", "deferred"]
        assert reasons() == ["steps", "order", "order"]
        deferred.run()
        created = Delivery.objects.filter(endpoint=ordered.endpoint).order_by("created_at", "id")
        assert [it.event.event_id for it in created.select_related("event")] == ["o-1", "o-2", "o-3"]
        assert publish_one(tenant, id="o-4").routing == "routed"

    def test_deferred_event_of_a_batch_holds_back_later_ones_for_ordered_endpoints(
        self, tenant: Tenant, settings: Any
    ) -> None:
        make_subscription(make_endpoint(tenant, ordering="subject"))
        make_subscription(make_endpoint(tenant, ordering="subject"), transformer=REPEATS_THE_DATA)
        settings.WAYPOST_FAN_OUT_BYTES = 10_000
        results = publish(tenant, [plain(1), plain(2, data="x" * 1_000), plain(3)])
        assert [it.routing for it in results] == ["routed", "deferred", "deferred"]
        assert reasons() == ["bytes", "order"]

    def test_events_for_other_endpoints_do_not_wait(self, tenant: Tenant, settings: Any) -> None:
        make_subscription(make_endpoint(tenant, ordering="endpoint"), event_types=["order.created"])
        make_subscription(make_endpoint(tenant), event_types=["invoice.paid"])
        settings.WAYPOST_FAN_OUT_STEPS = 0
        publish_one(tenant)
        settings.WAYPOST_FAN_OUT_STEPS = 100_000
        assert publish_one(tenant, id="invoice", type="invoice.paid").routing == "routed"

    def test_deferred_event_that_no_ordered_endpoint_receives_holds_nothing_back(
        self, tenant: Tenant, settings: Any
    ) -> None:
        make_subscription(make_endpoint(tenant, ordering="endpoint"), event_types=["order.created"])
        make_subscription(make_endpoint(tenant), event_types=["invoice.paid"])
        settings.WAYPOST_FAN_OUT_STEPS = 0
        publish_one(tenant, id="invoice", type="invoice.paid")
        settings.WAYPOST_FAN_OUT_STEPS = 100_000
        assert publish_one(tenant).routing == "routed"
