"""Usage of each hour is published once, complete, for the platform's own tenant, also after a downtime."""

from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from django.db import transaction

from delivery.figures import usage_events
from delivery.figures.usage_events import publish_usage
from delivery.lifecycle.usage import fold
from delivery.models import Event, Figures, UsageHour, UsageIncrement
from delivery.sql.figures.usage_hours import LAST_HOUR
from subscriptions.event_types.operational import TYPES
from subscriptions.event_types.schemas import check_examples
from subscriptions.models import Tenant
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.factories_receiver import make_source
from tests.threads import in_threads
from webhooks.kit.sql import run
from webhooks.models import SourceHour

pytestmark = pytest.mark.django_db

USAGE = "waypost.usage.hour"
HOUR = timedelta(hours=1)


def last_hour() -> datetime:
    """Return the last hour that is over for half an hour: the same one during a transaction."""
    [[hour]] = run(f"SELECT {LAST_HOUR}", {})
    return hour


@pytest.fixture
def platform() -> Tenant:
    tenant = make_tenant(is_platform=True)
    make_subscription(make_endpoint(tenant), event_types=[USAGE])
    return tenant


def used(tenant: Tenant, hour: datetime, **numbers: int) -> None:
    counts = {"events": 3, "deliveries": 6, "attempts": 7, "delivered": 5} | numbers
    Figures.objects.create(scope="tenant", scope_id=tenant.pk, tenant_id=tenant.pk, length=60, begins_at=hour, **counts)


def published(platform: Tenant) -> list[dict[str, Any]]:
    events = Event.objects.filter(tenant=platform, type=USAGE).order_by("id")
    return [orjson.loads(bytes(it.body))["data"] for it in events]


def published_until(hour: datetime) -> None:
    UsageHour.objects.create(begins_at=hour)


def stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def test_usage_of_the_last_hour_is_published_for_each_tenant(platform: Tenant) -> None:
    acme, idle, other = make_tenant(uid="acme"), make_tenant(), make_tenant()
    hour = last_hour()
    used(acme, hour)
    used(idle, hour, events=0, deliveries=0, attempts=0, delivered=0)
    used(other, hour, events=1)
    used(other, hour + HOUR, events=100)
    source = make_source(tenant_id=acme.id)
    SourceHour.objects.create(source=source, starts_at=hour, received=9)
    assert publish_usage() == 1
    first, second = sorted(published(platform), key=lambda it: -it["events"])
    assert first == {
        "tenant": acme.public_id,
        "tenant_uid": "acme",
        "begins_at": stamp(hour),
        "ends_at": stamp(hour + HOUR),
        "events": 3,
        "deliveries": 6,
        "attempts": 7,
        "delivered": 5,
        "received": 9,
    }
    assert (second["tenant"], second["tenant_uid"], second["events"], second["received"]) == (
        *(other.public_id, None, 1, 0),
    )
    assert UsageHour.objects.get().tenants == 2
    check_examples([first, second], TYPES[USAGE][1])


def test_event_id_names_tenant_and_hour(platform: Tenant) -> None:
    tenant = make_tenant()
    used(tenant, last_hour())
    publish_usage()
    assert Event.objects.get(type=USAGE).event_id == f"usage-{tenant.public_id}-{last_hour():%Y-%m-%dT%H}"


def test_tenant_that_only_received_is_published(platform: Tenant) -> None:
    tenant = make_tenant()
    for numbers in ({"received": 4}, {"received": 5}):
        SourceHour.objects.create(source=make_source(tenant_id=tenant.id), starts_at=last_hour(), **numbers)
    SourceHour.objects.create(source=make_source(), starts_at=last_hour(), received=7)  # which no tenant owns
    publish_usage()
    (data,) = published(platform)
    assert (data["tenant"], data["received"], data["events"]) == (tenant.public_id, 9, 0)


def test_hour_is_published_once(platform: Tenant) -> None:
    used(make_tenant(), last_hour())
    assert [publish_usage() for _ in range(3)] == [1, 0, 0]
    assert len(published(platform)) == 1
    UsageHour.objects.all().delete()  # as if it had been forgotten: the id of the event still tells
    publish_usage()
    assert len(published(platform)) == 1


def test_hours_of_a_downtime_follow(platform: Tenant) -> None:
    tenant = make_tenant()
    published_until(last_hour() - 5 * HOUR)
    for back in range(8):
        used(tenant, last_hour() - back * HOUR, events=back + 1)
    assert publish_usage() == 5
    assert [it["events"] for it in published(platform)] == [5, 4, 3, 2, 1]


def test_downtime_of_months_is_followed_as_far_as_figures_reach(
    platform: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    published_until(last_hour() - timedelta(days=100))
    monkeypatch.setattr(usage_events, "MAX_HOURS", 3)
    assert publish_usage() == 3
    hours = UsageHour.objects.order_by("begins_at").values_list("begins_at", flat=True)
    assert hours[1] == last_hour() - timedelta(days=61)


def test_hour_waits_until_its_usage_is_in_the_figures(platform: Tenant) -> None:
    tenant, hour = make_tenant(), last_hour()
    UsageIncrement.objects.create(
        tenant_id=tenant.pk, day=hour.date(), type="a", events=2, deliveries=1, counted_at=hour + timedelta(minutes=59)
    )
    assert publish_usage() == 0
    fold()
    assert publish_usage() == 1
    assert [it["events"] for it in published(platform)] == [2]


def test_usage_of_the_platforms_own_tenant_is_not_published(platform: Tenant) -> None:
    used(platform, last_hour())
    assert publish_usage() == 1
    assert published(platform) == []


@pytest.mark.parametrize("named", ["waypost.*", "*", "waypost.delivery.*"])
def test_usage_is_only_for_subscriptions_that_name_it(named: str) -> None:
    platform = make_tenant(is_platform=True)
    make_subscription(make_endpoint(platform), event_types=[named])
    used(make_tenant(), last_hour())
    assert publish_usage() == 1
    assert published(platform) == []


def test_tenant_does_not_get_its_own_usage(platform: Tenant) -> None:
    tenant = make_tenant()
    make_subscription(make_endpoint(tenant), event_types=[USAGE])
    used(tenant, last_hour())
    publish_usage()
    assert not Event.objects.filter(tenant=tenant).exists()


def test_without_a_platform_tenant_hours_pass(platform: Tenant) -> None:
    Tenant.objects.filter(pk=platform.pk).update(is_platform=False)
    used(make_tenant(), last_hour())
    assert publish_usage() == 1
    assert not Event.objects.exists()


def test_failure_within_an_hour_publishes_nothing_of_it(platform: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_events, "BATCH", 1)
    for _ in range(3):
        used(make_tenant(), last_hour())
    publish, calls = usage_events.publish_for_platform, []

    def cut_off(*arguments: Any) -> int:
        calls.append(arguments)
        if len(calls) == 2:
            raise RuntimeError
        return publish(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(usage_events, "publish_for_platform", cut_off)
        with pytest.raises(RuntimeError), transaction.atomic():
            publish_usage()
    assert published(platform) == []
    assert publish_usage() == 1
    assert len(published(platform)) == 3


@pytest.mark.django_db(transaction=True)
def test_processes_side_by_side_publish_each_hour_once() -> None:
    platform = make_tenant(is_platform=True)
    make_subscription(make_endpoint(platform), event_types=[USAGE])
    published_until(last_hour() - 4 * HOUR)
    for back in range(4):
        for _ in range(3):
            used(make_tenant(), last_hour() - back * HOUR)
    results = in_threads(*[publish_usage] * 3)
    assert [it for it in results if isinstance(it, Exception)] == []
    assert len(published(platform)) == 12
    assert UsageHour.objects.count() == 5
