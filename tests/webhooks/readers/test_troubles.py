"""Test that a source that fails is reported once when that begins, and once when it ends."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.utils import timezone

from delivery.models import Event
from subscriptions.event_types.operational import TYPES
from subscriptions.models import Tenant
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.webhooks.readers.conftest import read_source
from tests.webhooks.readers.scripted import System
from webhooks.kit.operational_events import operational_event
from webhooks.models import Source, SourcePartition
from webhooks.readers import troubles
from webhooks.readers.partitions import seek
from webhooks.readers.slices import run
from webhooks.readers.troubles import ENDANGERED_EVERY, FAILING_AFTER
from webhooks.sources.kinds.kind import PositionLost, SourceUnavailable
from webhooks.sources.sources import change_source, delete_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

REFUSED = SourceUnavailable("The server refused the password.", "credentials.password")


@pytest.fixture
def tenant() -> Tenant:
    return make_subscription(event_types=["waypost.source.*"]).tenant


def read(**changes: Any) -> None:
    """Read every partition once; ``changes``: of their rows before."""
    SourcePartition.objects.update(next_read_at=timezone.now() - timedelta(seconds=1), **changes)
    run()


def long_ago(seconds: float = FAILING_AFTER) -> dict[str, Any]:
    return {"failing_since": timezone.now() - timedelta(seconds=seconds + 60)}


def published(tenant: Tenant) -> list[tuple[str, dict[str, Any]]]:
    rows = Event.objects.filter(tenant=tenant).order_by("id")
    return [(row.type.removeprefix("waypost.source."), orjson.loads(row.body)["data"]) for row in rows]


def reasons(tenant: Tenant) -> list[tuple[str, str]]:
    return [(step, data.get("reason") or data["from"]) for step, data in published(tenant)]


def test_source_that_cannot_be_read_is_reported_once_after_five_minutes_and_once_when_it_works(
    system: System, tenant: Tenant
) -> None:
    source = read_source(tenant_id=tenant.id, uid="orders", name="Orders")
    system.failure = REFUSED
    read()
    read()
    assert published(tenant) == []
    read(**long_ago())
    read()
    [(step, data)] = published(tenant)
    since = SourcePartition.objects.get().failing_since
    assert since is not None
    assert (step, data) == (
        "failing",
        {
            "source": source.public_id,
            "source_uid": "orders",
            "name": "Orders",
            "kind": "scripted",
            "reason": "unavailable",
            "partition": "",
            "failing_since": since.isoformat(),
            "setting": "credentials.password",
            "message": f"The source cannot be read since {since:%Y-%m-%d %H:%M} UTC: The server refused the password.",
        },
    )
    system.failure = None
    read()
    read()
    assert reasons(tenant) == [("failing", "unavailable"), ("recovered", "unavailable")]


def test_lost_position_is_reported_at_once_after_a_milder_reason_and_ends_with_a_seek(
    system: System, tenant: Tenant
) -> None:
    source = read_source(tenant_id=tenant.id)
    system.failure = REFUSED
    read(**long_ago())
    system.failure = PositionLost("The slot was dropped.")
    read()
    read()
    system.failure = REFUSED
    read()
    assert reasons(tenant) == [("failing", "unavailable"), ("failing", "position_lost")]
    assert "The slot was dropped." in published(tenant)[1][1]["message"]
    system.failure = None
    seek(Source.objects.get(pk=source.pk), "earliest")
    read()
    assert reasons(tenant)[2:] == [("recovered", "position_lost")]


def test_warning_is_reported_once_an_hour_at_most_and_ends_with_the_warning(system: System, tenant: Tenant) -> None:
    source = read_source(tenant_id=tenant.id)
    for warning in ("The slot holds back 9 GiB.", "The slot holds back 10 GiB.", "", "Again.", ""):
        system.warning = warning
        read()
    assert reasons(tenant) == [("failing", "endangered"), ("recovered", "endangered")]
    assert published(tenant)[0][1]["message"] == "The slot holds back 9 GiB."
    earlier = timezone.now() - timedelta(seconds=ENDANGERED_EVERY + 60)
    Source.objects.filter(pk=source.pk).update(failing_reported_at=earlier)
    system.warning = "Much later."
    read()
    assert reasons(tenant)[2:] == [("failing", "endangered")]


def test_source_recovers_when_the_last_of_its_failing_partitions_does(system: System, tenant: Tenant) -> None:
    read_source("partitioned", tenant_id=tenant.id)
    system.add(b"{}", partition="1")
    read()
    read()
    SourcePartition.objects.filter(name="1").update(**long_ago(), failures=9)
    system.failing_partitions = {"1"}
    read()
    read()
    assert reasons(tenant) == [("failing", "unavailable")]
    assert published(tenant)[0][1]["partition"] == "1"
    system.failing_partitions = set()
    read()
    assert reasons(tenant)[1:] == [("recovered", "unavailable")]


def test_source_without_tenant_is_reported_to_the_platform_only(system: System) -> None:
    platform = make_subscription(make_endpoint(tenant=make_tenant(is_platform=True)), event_types=["waypost.*"]).tenant
    other = make_subscription(event_types=["waypost.*"]).tenant
    read_source()
    system.failure = REFUSED
    read(**long_ago())
    assert (reasons(platform), reasons(other)) == ([("failing", "unavailable")], [])
    assert "tenant" not in published(platform)[0][1]


def test_source_of_a_tenant_is_reported_to_the_platform_with_the_tenant(system: System, tenant: Tenant) -> None:
    platform = make_subscription(make_endpoint(tenant=make_tenant(is_platform=True)), event_types=["waypost.*"]).tenant
    read_source(tenant_id=tenant.id)
    system.failure = REFUSED
    read(**long_ago())
    assert [data["tenant"] for _, data in published(platform)] == [tenant.public_id]
    assert "tenant" not in published(tenant)[0][1]


def test_reported_source_is_quiet_while_paused_and_after_its_deletion(system: System, tenant: Tenant) -> None:
    source = read_source(tenant_id=tenant.id)
    system.failure = REFUSED
    read(**long_ago())
    source = change_source(source, {"state": "paused"})
    system.failure = PositionLost("Gone.")
    lease_lost_while_it_failed = Source.objects.get(pk=source.pk)
    troubles.report_danger(lease_lost_while_it_failed, "", "A warning.")
    system.failure = None
    change_source(source, {"state": "active"})
    read()
    assert reasons(tenant) == [("failing", "unavailable"), ("recovered", "unavailable")]
    delete_source(source)
    read()
    assert len(published(tenant)) == 2


def test_report_and_event_are_one_transaction(system: System, tenant: Tenant) -> None:
    source = read_source(tenant_id=tenant.id)
    system.failure = REFUSED

    def fails(**_: Any) -> None:
        raise RuntimeError("The event cannot be stored.")

    operational_event.connect(fails)
    try:
        with pytest.raises(RuntimeError):
            read(**long_ago())
    finally:
        operational_event.disconnect(fails)
    source.refresh_from_db()
    assert (source.failing_reason, published(tenant)) == ("", [])
    read()
    assert reasons(tenant) == [("failing", "unavailable")]


def test_data_of_events_have_the_documented_properties(system: System, tenant: Tenant) -> None:
    read_source(tenant_id=tenant.id)
    system.failure = REFUSED
    read(**long_ago())
    system.failure = None
    read()
    found = published(tenant)
    assert [step for step, _ in found] == ["failing", "recovered"]
    for step, data in found:
        _, schema, _ = TYPES[f"waypost.source.{step}"]
        assert sorted(data) == sorted(schema["required"])
