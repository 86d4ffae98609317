"""Operational events are stored by one statement, whatever their tenants subscribe to, and routed by a worker."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from django.db import connection
from django.utils import timezone

from delivery import notify
from delivery.alerts import messages
from delivery.alerts.rules import change_rule, create_rule
from delivery.fan_out import deferred
from delivery.lanes import health
from delivery.lanes.health import DAY
from delivery.lanes.lane_rows import lane_from_row
from delivery.lifecycle import rejecting
from delivery.models import DeferredFanOut, Delivery, Event, HourlyStats, Lane, UsageIncrement
from delivery.operational import dead_letters
from delivery.operational.dead_letters import dead_letter
from delivery.operational.operational_events import publish_operational
from delivery.sql.dead_letters import DeadLetterRow
from delivery.sql.fan_out import IS_OPERATIONAL
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.event_types.operational import TYPES
from subscriptions.event_types.schemas import check_examples, check_schema
from subscriptions.models import OPERATIONAL_NAMES, Subscription, Tenant
from subscriptions.routing.type_names import NAMED_EXACTLY, RESULTS, USAGE
from tests.delivery.alerts.factories import make_failing, run_rule
from tests.delivery.factories import make_delivery, make_event
from tests.delivery.factories_lanes import make_target
from tests.delivery.sql.factories import lane_row
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.statements import before_statements
from webhooks.readers import troubles
from webhooks.readers.leases import Failure
from webhooks.sources.kinds.kind import SourceUnavailable
from webhooks.sources.sources import create_source
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


def test_settling_runs_as_many_statements_for_hostile_subscriptions_as_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tenant with 60 subscriptions of 900 branches, and 40 deliveries that are dead at once."""
    counts = []
    for subscriptions in (0, 1, 60):
        endpoint = make_endpoint()
        for _ in range(subscriptions):
            make_subscription(make_endpoint(endpoint.tenant), event_types=["waypost.*"], pattern=MANY_BRANCHES)
        event = make_event(endpoint.tenant)
        dead = [make_delivery(event, it, state="dead") for it in endpoints(endpoint.tenant, 40)]
        counts.append(_count_statements(monkeypatch, [DeadLetterRow(it.id, "exhausted", None) for it in dead]))
    assert counts[0] < counts[1] == counts[2]
    assert DeferredFanOut.objects.count() == 80


def endpoints(tenant: Tenant, count: int) -> list[Any]:
    return [make_endpoint(tenant) for _ in range(count)]


def _count_statements(monkeypatch: pytest.MonkeyPatch, rows: list[DeadLetterRow]) -> int:
    """Insert and publish these dead letters, and fail if anything is matched or rendered meanwhile."""
    statements: list[Any] = []

    def forbidden(*_: Any) -> None:
        raise AssertionError("matched or rendered in the settling transaction")

    with monkeypatch.context() as patched:
        before_statements(patched, statements.append)
        patched.setattr(Pattern, "matches", forbidden)
        patched.setattr(Transformer, "render", forbidden)
        dead_letter(rows)
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
    codes = [code for module in (dead_letters, health, rejecting, troubles) for code in _functions(module)]
    types = {constant for code in codes for constant in code.co_consts if _is_type(constant)}
    types |= {messages.FIRING, messages.RESOLVED, USAGE}
    assert types | RESULTS == {name for name in OPERATIONAL_NAMES if not name.endswith("*")}


def _functions(module: Any) -> list[Any]:
    return [it.__code__ for it in vars(module).values() if hasattr(it, "__code__") and it.__module__ == module.__name__]


def _is_type(constant: object) -> bool:
    return isinstance(constant, str) and constant.startswith("waypost.") and "``" not in constant


def test_no_event_needs_no_statement() -> None:
    assert publish_operational("waypost.delivery.dead", []) == 0
    assert make_tenant().events.count() == 0


class TestPlatformTenant:
    """One tenant is the platform's own: it gets the operational events of all tenants."""

    def bodies(self, tenant: Tenant) -> list[dict[str, Any]]:
        events = Event.objects.filter(tenant=tenant).order_by("id")
        return [orjson.loads(bytes(it.body))["data"] for it in events]

    def test_it_gets_the_events_of_all_tenants_with_their_names(self) -> None:
        platform = subscriber("waypost.*")
        Tenant.objects.filter(pk=platform.pk).update(is_platform=True)
        acme, other = make_tenant(uid="acme"), make_tenant()
        data = [(acme.id, {"cause": "exhausted"}), (other.id, {"cause": "gone"})]
        assert publish_operational("waypost.delivery.dead", data) == 2
        assert self.bodies(platform) == [
            {"cause": "exhausted", "tenant": acme.public_id, "tenant_uid": "acme"},
            {"cause": "gone", "tenant": other.public_id, "tenant_uid": None},
        ]
        assert stored(acme) == []

    def test_tenant_that_subscribes_too_gets_its_own_without_the_name(self) -> None:
        platform, acme = subscriber("waypost.*"), subscriber("waypost.*")
        Tenant.objects.filter(pk=platform.pk).update(is_platform=True)
        assert publish_operational("waypost.delivery.dead", [(acme.id, {"cause": "gone"})]) == 2
        assert self.bodies(acme) == [{"cause": "gone"}]

    def test_event_about_itself_is_stored_once(self) -> None:
        platform = subscriber("waypost.*")
        Tenant.objects.filter(pk=platform.pk).update(is_platform=True)
        assert publish_operational("waypost.delivery.dead", [(platform.id, {"cause": "gone"})]) == 1
        assert self.bodies(platform) == [{"cause": "gone"}]

    def test_nothing_is_stored_unless_it_subscribes(self) -> None:
        make_tenant(is_platform=True)
        assert publish_operational("waypost.delivery.dead", [(make_tenant().id, {})]) == 0


def test_every_operational_type_is_described_with_a_valid_schema_and_example() -> None:
    assert TYPES.keys() == {name for name in OPERATIONAL_NAMES if not name.endswith("*")}
    for _, schema, example in TYPES.values():
        check_schema(schema)
        check_examples([example], schema)


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_published_data_match_the_described_schemas() -> None:
    platform, acme = subscriber("waypost.*"), subscriber("waypost.*")
    Tenant.objects.filter(pk=platform.pk).update(is_platform=True)
    endpoint = acme.endpoints.get()
    dead_letter([DeadLetterRow(make_delivery(make_event(acme), endpoint, state="dead").id, "exhausted", None)])
    now = 1_900_000_000.0
    failing = {"failures": 30, "failing_since": _at(now - 5 * DAY), "failing_day_at": _at(now), "failing_days": 5}
    for breaker, warnings in (({}, 1), (failing, 0), (failing, 2)):  # recovered, warned, disabled
        row = lane_row(endpoint, warnings_sent=warnings, warned_at=_at(now - DAY), **breaker)
        target = make_target(endpoint_id=endpoint.id, url=endpoint.address)
        health.publish_due_step(lane_from_row(row, target, now), now)
    other = make_endpoint(acme)
    Lane.objects.create(endpoint=other, tenant=acme)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    counted = {"attempts": 100, "delivered": 0, "rejected": 100, "last_status": 422}
    HourlyStats.objects.create(endpoint=other, begins_at=hour, latencies=[], **counted)
    rejecting.report_rejecting()
    source = create_source(tenant_id=acme.id, scheme="none")
    refused, since = SourceUnavailable("Access denied.", "settings.user"), timezone.now()
    troubles.report_failure(source, "0", refused, Failure("Access denied.", since, troubles.FAILING_AFTER, 60.0))
    source.refresh_from_db()
    troubles.report_recovery(source)
    rule = create_rule(None, name="Fails", condition="endpoint_failing")
    make_failing(other)
    run_rule(rule)
    change_rule(rule, {"enabled": False})
    events = Event.objects.filter(type__startswith="waypost.")
    assert {it.type for it in events.filter(tenant=platform)} == TYPES.keys() - NAMED_EXACTLY
    for event in events:
        check_examples([orjson.loads(bytes(event.body))["data"]], TYPES[event.type][1])
