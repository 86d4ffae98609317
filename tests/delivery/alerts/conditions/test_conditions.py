"""Test where the provider's conditions hold, for the owner's rows only."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from celery import Celery
from django.conf import settings
from django.db import connection

from config.local import embedded
from delivery.alerts.conditions import CONDITIONS
from delivery.alerts.conditions.expiring import WITH_CERTIFICATES
from delivery.alerts.conditions.platform_parts import broker
from delivery.models import ArchiveStatus, DrainReport, HourlyStats, Lane, ScheduleQueue, Usage, UsageIncrement
from delivery.sending.attempt_stats import BOUNDS
from subscriptions.endpoints.destinations.registry import list_kinds
from subscriptions.models import DestinationSettings, Endpoint, Tenant
from tests.delivery.alerts.factories import make_failing
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.delivery.factories_load import make_drain_report, make_lane_behind
from tests.factories import make_endpoint, make_key, make_plan, make_secret, make_tenant
from tests.pki import Authority, Issued
from webhooks.kit import sql
from webhooks.kit.conditions.condition import Condition, Finding, Question
from webhooks.kit.encryption import encrypt
from webhooks.kit.kinds.setting import InvalidSettings, check_settings
from webhooks.kit.sql import database_now

pytestmark = pytest.mark.django_db
BY_NAME = {it.name: it for it in CONDITIONS}


def ask(name: str, tenant: Tenant | None, *, since_hours: float = 48, **given: Any) -> list[Finding]:
    """Return where a condition holds for a tenant; None: for the operator. It may hold then, as it says."""
    condition = BY_NAME[name]
    found = condition.find(question(condition, tenant, since_hours, given))
    if found and condition.may_hold:
        assert sql.run(f"SELECT {condition.may_hold}", {}) == [(True,)], name
    return found


def question(condition: Condition, tenant: Tenant | None, since_hours: float, given: dict[str, Any]) -> Question:
    checked, _ = check_settings(condition.settings, given, {})
    now = database_now()
    return Question(tenant and tenant.pk, checked, now, now - timedelta(hours=since_hours))


def subjects(findings: list[Finding]) -> list[str]:
    return [it.subject for it in findings]


def make_hour(endpoint: Endpoint, begins_at: datetime, *, latency: int = 0, **counts: int) -> HourlyStats:
    latencies = [0] * len(BOUNDS)
    latencies[latency] = counts["attempts"]
    return HourlyStats.objects.create(endpoint=endpoint, begins_at=begins_at, latencies=latencies, **counts)


def this_hour() -> datetime:
    return database_now().replace(minute=0, second=0, microsecond=0)


def make_certificate(days: float) -> Issued:
    """Issue a certificate that ends in so many days."""
    return Authority().issue(until=datetime.now(UTC) + timedelta(days=days))


def make_chain(*days: float) -> str:
    """Return certificates that end in so many days each, as one PEM text."""
    return "".join(make_certificate(it).pem for it in days)


def make_kafka(tenant: Tenant | None = None, **credentials: str) -> Endpoint:
    """Create an endpoint that writes to Kafka."""
    endpoint = Endpoint.objects.create(tenant=tenant or make_tenant(), kind="kafka")
    ciphertext = encrypt(orjson.dumps(credentials).decode())
    DestinationSettings.objects.create(endpoint=endpoint, settings={}, address="kafka/orders", ciphertext=ciphertext)
    return endpoint


def test_each_condition_finds_nothing_without_rows_and_reads_no_table_by_name_of_a_tenant() -> None:
    tenant = make_tenant()
    for condition in CONDITIONS:
        given = {"event_type": "order.paid"} if condition.name == "events_silent" else {}
        if not condition.is_for_operators:
            found = condition.find(question(condition, tenant, 0, given))
            assert found == [], condition.name


def test_endpoint_that_fails_is_found_by_its_owner_and_the_operator() -> None:
    endpoint = make_endpoint()
    make_failing(endpoint)
    assert subjects(ask("endpoint_failing", endpoint.tenant)) == [endpoint.public_id]
    assert endpoint.public_id in subjects(ask("endpoint_failing", None))
    assert ask("endpoint_failing", make_tenant()) == []


def test_single_failure_and_paused_endpoints_do_not_fail() -> None:
    tenant = make_tenant()
    make_failing(make_endpoint(tenant), failures=1)
    make_failing(make_endpoint(tenant, state="paused"))
    assert ask("endpoint_failing", tenant) == []


def test_endpoint_of_the_settings_is_the_only_one_looked_at() -> None:
    tenant = make_tenant()
    watched, other = make_endpoint(tenant, uid="watched"), make_endpoint(tenant)
    for endpoint in (watched, other):
        make_failing(endpoint)
    assert subjects(ask("endpoint_failing", tenant, endpoint="watched")) == [watched.public_id]
    assert subjects(ask("endpoint_failing", tenant, endpoint=watched.public_id)) == [watched.public_id]


def test_unknown_endpoint_in_the_settings_is_refused() -> None:
    condition = BY_NAME["endpoint_failing"]
    assert condition.check is not None
    with pytest.raises(InvalidSettings, match="No endpoint"):
        condition.check(question(condition, make_tenant(), 1, {"endpoint": make_endpoint().public_id}))


def test_endpoint_that_the_platform_disabled_is_found_and_one_of_an_operator_is_not() -> None:
    tenant = make_tenant()
    gone = make_endpoint(tenant, state="disabled", disabled_reason="responded_410")
    make_endpoint(tenant, state="disabled", disabled_reason="operator")
    assert subjects(ask("endpoint_disabled", tenant)) == [gone.public_id]


def test_open_breaker_is_found_while_it_probes() -> None:
    endpoint = make_endpoint()
    make_failing(endpoint, open_count=2, circuit_open_until=database_now() - timedelta(seconds=1))
    make_failing(make_endpoint(endpoint.tenant), open_count=0)
    assert subjects(ask("circuit_open", endpoint.tenant)) == [endpoint.public_id]


def test_dead_letters_are_counted_up_to_the_limit_and_by_minutes() -> None:
    endpoint = make_endpoint()
    event = make_event(endpoint.tenant)
    make_dead_letter(make_delivery(event, endpoint))
    make_dead_letter(make_delivery(event, make_endpoint(endpoint.tenant)))
    (found,) = ask("dead_letters", endpoint.tenant, above=1)
    assert (found.subject, found.value) == (endpoint.tenant.public_id, 2)
    assert ask("dead_letters", endpoint.tenant, above=2) == []
    assert subjects(ask("dead_letters", endpoint.tenant, above=0, endpoint=endpoint.public_id)) == [endpoint.public_id]
    assert subjects(ask("dead_letters", endpoint.tenant, above=0, minutes=5)) == [endpoint.tenant.public_id]


def test_delivery_that_has_been_due_for_long_is_found() -> None:
    lane = make_lane_behind(3_600)
    assert subjects(ask("oldest_due", lane.tenant, minutes=30)) == [lane.endpoint.public_id]
    assert ask("oldest_due", lane.tenant, minutes=90) == []
    assert ask("oldest_due", make_tenant(), minutes=30) == []


def test_success_rate_counts_this_hour_and_those_before() -> None:
    endpoint = make_endpoint()
    make_hour(endpoint, this_hour(), attempts=10, delivered=10)
    make_hour(endpoint, this_hour() - timedelta(hours=1), attempts=30, delivered=10)
    (found,) = ask("success_rate", endpoint.tenant, below_percent=60)
    assert (found.subject, found.value) == (endpoint.public_id, 50)
    assert ask("success_rate", endpoint.tenant, below_percent=50) == []
    assert ask("success_rate", endpoint.tenant, below_percent=60, min_attempts=41) == []


def test_slow_endpoint_is_found_by_its_percentile() -> None:
    endpoint = make_endpoint()
    make_hour(endpoint, this_hour(), attempts=40, delivered=40, latency=BOUNDS.index(8192))
    assert subjects(ask("latency", endpoint.tenant, above_ms=5000)) == [endpoint.public_id]
    assert ask("latency", endpoint.tenant, above_ms=9000) == []


def test_past_hours_are_judged_each_by_itself() -> None:
    endpoint = make_endpoint()
    bad = this_hour() - timedelta(hours=3)
    make_hour(endpoint, bad, attempts=30, delivered=1)
    make_hour(endpoint, bad + timedelta(hours=1), attempts=30, delivered=30)
    for name in ("success_rate", "endpoint_failing"):
        condition = BY_NAME[name]
        assert condition.past is not None
        asked = question(condition, endpoint.tenant, 48, {})
        found = condition.past(asked, this_hour() - timedelta(hours=24), this_hour())
        assert [(it.subject, it.begins_at) for it in found] == (
            [(endpoint.public_id, bad)] if name == "success_rate" else []
        )


class TestEventsSilent:
    """No event of a type."""

    def test_type_without_events_is_silent_once_the_rule_is_old_enough(self) -> None:
        tenant = make_tenant()
        assert len(ask("events_silent", tenant, event_type="order.paid", minutes=60)) == 1
        assert ask("events_silent", tenant, since_hours=0.5, event_type="order.paid", minutes=60) == []

    @pytest.mark.parametrize(("asked", "is_silent"), [("order.paid", False), ("order.*", False), ("user.*", True)])
    def test_type_of_a_late_event_is_not_silent(self, asked: str, is_silent: bool) -> None:
        tenant, now = make_tenant(), database_now()
        day = now.date()
        Usage.objects.create(tenant_id=tenant.pk, day=day, type="order.paid", events=1, deliveries=0, last_event_at=now)
        assert bool(ask("events_silent", tenant, event_type=asked, minutes=60)) is is_silent

    def test_event_that_is_not_folded_yet_counts(self) -> None:
        tenant = make_tenant()
        day = database_now().date()
        UsageIncrement.objects.create(tenant_id=tenant.pk, day=day, type="order.paid", events=1, deliveries=0)
        assert ask("events_silent", tenant, event_type="*", minutes=60) == []


def test_limit_of_a_plan_is_found_with_a_step_when_it_is_full() -> None:
    tenant = make_tenant(plan=make_plan(max_endpoints=10))
    for _ in range(8):
        make_endpoint(tenant)
    assert [(it.subject, it.step) for it in ask("plan_limit", tenant)] == [(f"{tenant.public_id}/max_endpoints", 0)]
    for _ in range(2):
        make_endpoint(tenant)
    assert [it.step for it in ask("plan_limit", tenant)] == [1]


def test_operator_sees_the_tenants_near_their_events_per_month() -> None:
    near, far = (make_tenant(plan=make_plan(events_per_month=1_000)) for _ in range(2))
    for tenant, events in ((near, 850), (far, 100)):
        day = database_now().date()
        Usage.objects.create(tenant_id=tenant.pk, day=day, type="a", events=events, deliveries=0)
    assert subjects(ask("plan_limit", None)) == [f"{near.public_id}/events_per_month"]


def test_schedules_that_are_late_are_found_by_tenant() -> None:
    late, on_time = make_tenant(), make_tenant()
    ScheduleQueue.objects.create(tenant=late, due_at=database_now() - timedelta(minutes=9))
    ScheduleQueue.objects.create(tenant=on_time, due_at=database_now() - timedelta(minutes=1))
    assert subjects(ask("schedule_late", late)) == [late.public_id]
    assert subjects(ask("schedule_late", None)) == [late.public_id]


@pytest.mark.parametrize(("days", "step"), [(50, None), (44, 0), (29, 1), (14, 2), (2, 3), (0.5, 4)])
def test_key_that_ends_is_found_with_a_step_for_each_message(days: float, step: int | None) -> None:
    tenant = make_tenant()
    make_key(tenant, expires_at=database_now() + timedelta(days=days))
    assert [it.step for it in ask("expiring", tenant)] == ([] if step is None else [step])


def test_certificate_that_ends_is_found_by_endpoint() -> None:
    issued = make_certificate(days=10)
    endpoint = make_endpoint(tls={"certificate": issued.pem, "private_key": issued.key, "ca": make_chain(5, 40)})
    make_endpoint(endpoint.tenant, tls={"ca": make_chain(60)})
    found = ask("expiring", endpoint.tenant)
    assert [(it.subject, round(it.value or 0)) for it in found] == [
        (f"{endpoint.public_id}/ca", 5),
        (f"{endpoint.public_id}/certificate", 10),
    ]
    assert subjects(ask("expiring", None)) == subjects(found)
    assert ask("expiring", make_tenant()) == []


def test_certificate_among_the_credentials_of_an_endpoint_in_another_system_is_found() -> None:
    endpoint = make_kafka(ca_certificate=make_chain(60), client_certificate=make_certificate(days=2).pem, password="p")
    make_kafka(endpoint.tenant, ca_certificate="-----BEGIN CERTIFICATE-----\nnone")
    DestinationSettings.objects.filter(endpoint=make_kafka(endpoint.tenant, password="p")).update(ciphertext=b"lost")
    (found,) = ask("expiring", endpoint.tenant)
    assert (found.subject, found.step) == (f"{endpoint.public_id}/client_certificate", 3)
    assert subjects(ask("expiring", None)) == [found.subject]


def test_types_of_endpoints_with_certificates_are_those_that_declare_some() -> None:
    declared = {kind.name for kind in list_kinds() if any("certificate" in it.name for it in kind.settings)}
    assert declared == set(WITH_CERTIFICATES)


def test_replaced_signing_secret_is_found_by_its_owner_only() -> None:
    endpoint = make_endpoint()
    now = database_now()
    make_secret(endpoint, expires_at=now + timedelta(days=2))
    make_secret(endpoint, expires_at=now - timedelta(days=2))
    make_secret(make_endpoint(), expires_at=now + timedelta(days=2))
    (found,) = ask("expiring", endpoint.tenant)
    replaced = endpoint.secrets.get(expires_at__gt=now)
    assert (found.subject, found.step) == (f"{endpoint.public_id}/{replaced.public_id}", 3)
    assert "verify with the current one" in found.message
    assert ask("expiring", None) == []


def test_machine_whose_disk_is_nearly_full_is_found() -> None:
    make_drain_report(disk_free=0.05)
    make_drain_report(2, machine="other", disk_free=0.5)
    (found,) = ask("platform_disk", None)
    assert (found.name, found.value) == (DrainReport.objects.get(disk_free=0.05).machine, 5.0)


def test_archive_that_cannot_be_written_is_found_since_it_cannot() -> None:
    now = database_now()
    since, due = now - timedelta(minutes=20), now - timedelta(hours=14)
    ArchiveStatus.objects.create(ran_at=now, failing_since=since, error="x was not written: no route", due_since=due)
    (found,) = ask("platform_archive", None)
    assert (found.since, found.value) == (since, 14.0)
    assert "cannot be written: x was not written: no route." in found.message
    assert "due 14 h ago" in found.message


def test_archive_that_is_behind_is_found_beyond_the_limit() -> None:
    now = database_now()
    ArchiveStatus.objects.create(ran_at=now, due_since=now - timedelta(hours=5))
    assert ask("platform_archive", None) == []
    (found,) = ask("platform_archive", None, hours=4)
    assert (found.since, found.value) == (None, 5.0)
    assert "due 5 h ago" in found.message


def test_deliveries_that_wait_without_a_drain_are_found() -> None:
    make_lane_behind(120)
    (found,) = ask("platform_workers", None)
    assert "for a drain" in found.message


def test_database_that_responds_at_once_is_not_slow() -> None:
    assert ask("platform_database", None, above_ms=60_000) == []


def test_broker_is_found_while_it_is_away() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    app = Celery(broker=f"redis://127.0.0.1:{port}/0", set_as_current=False)
    (found,) = broker.state_of(app)
    assert found.message.startswith("The broker cannot be reached (OperationalError).")


def test_broker_that_is_there_is_not_found() -> None:
    if settings.WAYPOST_EMBEDDED_BROKER:
        embedded.attach(embedded.VALKEY, Path(settings.WAYPOST_DATA))
    assert ask("platform_broker", None) == []


def test_conditions_about_endpoints_use_their_partial_indexes() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for query, index in (
            (
                Endpoint.objects.filter(state="disabled", deleted_at=None).order_by("state_changed_at"),
                "endpoint_disabled",
            ),
            (Lane.objects.filter(failing_since__isnull=False), "lane_failing"),
        ):
            assert index in query.explain()
