"""Operational events are stored by one statement, whatever their tenants subscribe to, and routed by a worker."""

from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from delivery import notify
from delivery.fan_out import deferred
from delivery.models import DeferredFanOut, Delivery, Event, UsageIncrement
from delivery.publishing.operational_events import publish_operational
from delivery.sending import health
from delivery.sql.fan_out import IS_OPERATIONAL
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.models import OPERATIONAL_NAMES, Subscription, Tenant
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.statements import before_statements
from webhooks.wire.patterns import Pattern
from webhooks.wire.transform import Transformer

pytestmark = pytest.mark.django_db

MANY_BRANCHES = {"data": {"$or": [{"cause": [{"prefix": f"{number}x"}]} for number in range(900)]}}


@pytest.fixture(autouse=True)
def no_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify.fan_out_starter, "notify", lambda: None)


def subscriber(*types: str, **changes: Any) -> Tenant:
    return make_subscription(event_types=list(types), **changes).tenant


def stored(tenant: Tenant) -> list[str]:
    return list(Event.objects.filter(tenant=tenant).values_list("type", flat=True))


@pytest.mark.parametrize("name", ["waypost.*", "waypost.delivery.*", "waypost.delivery.dead"])
def test_event_is_stored_for_a_tenant_that_names_its_type(name: str) -> None:
    tenant = subscriber("order.*", name)
    assert publish_operational("waypost.delivery.dead", [(tenant.id, {"cause": "exhausted"})]) == 1
    assert stored(tenant) == ["waypost.delivery.dead"]


@pytest.mark.parametrize("name", ["*", "waypost.endpoint.*", "waypost.endpoint.failing", "order.*"])
def test_event_is_not_stored_for_a_tenant_that_names_another_type(name: str) -> None:
    tenant = subscriber(name)
    assert publish_operational("waypost.delivery.dead", [(tenant.id, {})]) == 0
    assert stored(tenant) == []


def test_event_is_not_stored_for_an_inactive_subscription_or_a_deleted_endpoint() -> None:
    inactive, deleted = subscriber("waypost.*"), subscriber("waypost.*")
    Subscription.objects.filter(tenant=inactive).update(active=False)
    delete_endpoint(deleted.endpoints.get())
    assert publish_operational("waypost.delivery.dead", [(it.id, {}) for it in (inactive, deleted)]) == 0


def test_events_of_many_tenants_are_stored_deferred_and_counted() -> None:
    tenants = [subscriber("waypost.*") for _ in range(3)]
    data = [(it.id, {"n": number}) for number in range(2) for it in tenants]
    assert publish_operational("waypost.delivery.dead", data) == 6
    assert {(it.reason, it.is_ordered) for it in DeferredFanOut.objects.all()} == {("operational", False)}
    for tenant in tenants:
        counted = UsageIncrement.objects.filter(tenant_id=tenant.id).values_list("type", "events", "deliveries")
        assert list(counted) == [("waypost.delivery.dead", 2, 0)]
    deferred.run()
    assert Delivery.objects.count() == 6


def test_worker_sends_the_event_to_those_endpoints_whose_pattern_matches() -> None:
    matching = make_subscription(event_types=["waypost.*"], pattern={"data": {"cause": ["exhausted"]}})
    make_subscription(make_endpoint(matching.tenant), event_types=["waypost.*"], pattern={"data": {"cause": ["x"]}})
    publish_operational("waypost.delivery.dead", [(matching.tenant_id, {"cause": "exhausted"})])
    deferred.run()
    assert [it.endpoint_id for it in Delivery.objects.all()] == [matching.endpoint_id]


def test_settling_runs_as_many_statements_for_hostile_subscriptions_as_for_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tenant with 60 subscriptions of 900 branches, and 40 deliveries that are dead at once."""
    counts = []
    for subscriptions in (0, 60):
        endpoint = make_endpoint()
        for _ in range(subscriptions):
            make_subscription(make_endpoint(endpoint.tenant), event_types=["waypost.*"], pattern=MANY_BRANCHES)
        event = make_event(endpoint.tenant)
        letters = [make_dead_letter(make_delivery(event, it, state="dead")) for it in endpoints(endpoint.tenant, 40)]
        counts.append(_count_statements(monkeypatch, [it.delivery_id for it in letters]))
    assert counts[0] == counts[1]
    assert DeferredFanOut.objects.count() == 40


def endpoints(tenant: Tenant, count: int) -> list[Any]:
    return [make_endpoint(tenant) for _ in range(count)]


def _count_statements(monkeypatch: pytest.MonkeyPatch, deliveries: list[UUID]) -> int:
    """Publish these dead letters, and fail if anything is matched or rendered meanwhile."""
    statements: list[Any] = []

    def forbidden(*_: Any) -> None:
        raise AssertionError("matched or rendered in the settling transaction")

    with monkeypatch.context() as patched:
        before_statements(patched, statements.append)
        patched.setattr(Pattern, "matches", forbidden)
        patched.setattr(Transformer, "render", forbidden)
        health.publish_dead_letters(deliveries)
    return len(statements)


def test_tenants_are_asked_by_the_partial_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT FROM subscriptions_subscription s "
            f"WHERE s.tenant_id = gen_random_uuid() AND {IS_OPERATIONAL} AND s.event_types && %s::varchar[]",
            [["waypost.*"]],
        )
        assert "subscription_operational" in "".join(row[0] for row in cursor.fetchall())


def test_every_type_that_the_platform_publishes_is_in_the_partial_index(monkeypatch: pytest.MonkeyPatch) -> None:
    types = {constant for code in _functions(health) for constant in code.co_consts if _is_type(constant)}
    assert types == {name for name in OPERATIONAL_NAMES if not name.endswith("*")}


def _functions(module: Any) -> list[Any]:
    return [it.__code__ for it in vars(module).values() if hasattr(it, "__code__") and it.__module__ == module.__name__]


def _is_type(constant: object) -> bool:
    return isinstance(constant, str) and constant.startswith("waypost.") and "``" not in constant


def test_no_event_needs_no_statement() -> None:
    assert publish_operational("waypost.delivery.dead", []) == 0
    assert make_tenant().events.count() == 0
