from datetime import date

import pytest
from django.db import transaction

from delivery.lifecycle import usage
from delivery.models import Delivery, Event, Usage, UsageIncrement
from delivery.publishing.publisher import publish
from tests.clock import time_of_test
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant
from tests.routes import ApiRoute, RouteCases
from tests.threads import in_threads

pytestmark = pytest.mark.django_db

API = "/api/v1/usage/"


def today():
    return time_of_test().date()


def used(tenant=None, **changes):
    fields = {"tenant_id": tenant and tenant.pk, "first": today(), "last": today(), **changes}
    usage_filter = usage.UsageFilter(**fields)
    return {(row.day, row.type): row[3:] for row in usage.report(usage_filter, 1000)}


def make_usage(tenant, day, kind="a", events=1, deliveries=0):
    return Usage.objects.create(tenant_id=tenant.pk, day=day, type=kind, events=events, deliveries=deliveries)


class TestUsageRoutes(RouteCases):
    routes = (ApiRoute("get", "usage/", "read", 200),)

    def make_ids(self, tenant):
        return {}


# Counting


def test_publish_counts_events_and_deliveries():
    tenant = make_tenant()
    for _ in range(2):
        make_subscription(make_endpoint(tenant), event_types=["order.paid"])
    publish(tenant, [{"type": kind, "data": 1} for kind in ("order.paid", "order.paid", "order.sent")])
    assert used(tenant) == {(today(), "order.paid"): (2, 4), (today(), "order.sent"): (1, 0)}


def test_repeat_is_not_counted():
    tenant = make_tenant()
    for _ in range(2):
        publish(tenant, [{"type": "a", "id": "1", "data": 1}])
    assert used(tenant) == {(today(), "a"): (1, 0)}


def test_rolled_back_event_is_not_counted():
    tenant = make_tenant()
    with transaction.atomic():
        publish(tenant, [{"type": "a", "data": 1}])
        transaction.set_rollback(True)
    assert used(tenant) == {}


def test_fold_keeps_the_totals():
    tenant = make_tenant()
    for _ in range(3):
        publish(tenant, [{"type": "a", "data": 1}, {"type": "b", "data": 1}])
        before = used(tenant)
        usage.fold()
        assert used(tenant) == before
        assert not UsageIncrement.objects.exists()
    assert used(tenant) == {(today(), "a"): (3, 0), (today(), "b"): (3, 0)}
    assert Usage.objects.count() == 2


def test_retention_keeps_the_totals():
    tenant = make_tenant()
    publish(tenant, [{"type": "a", "data": 1}])
    usage.fold()
    Delivery.objects.all().delete()
    Event.objects.all().delete()
    assert used(tenant) == {(today(), "a"): (1, 0)}


@pytest.mark.django_db(transaction=True)
def test_publish_and_fold_at_once_count_each_event_once():
    tenant = make_tenant()

    def publishes():
        for _ in range(20):
            publish(tenant, [{"type": "a", "data": 1}])

    def folds():
        for _ in range(20):
            usage.fold()

    in_threads(publishes, folds, publishes, folds)
    assert used(tenant) == {(today(), "a"): (40, 0)}
    usage.fold()
    assert used(tenant) == {(today(), "a"): (40, 0)}


# Reports


@pytest.fixture
def tenant():
    tenant = make_tenant()
    for day, kind, events in [
        (date(2026, 1, 30), "order.paid", 1),
        (date(2026, 1, 31), "order.paid", 2),
        (date(2026, 1, 31), "order.sent", 4),
        (date(2026, 2, 1), "order.paid", 8),
    ]:
        make_usage(tenant, day, kind, events)
    return tenant


def read(client, **query):
    response = client.get(API, query)
    assert response.status_code == 200, response.content
    return response.json()["data"]


@pytest.mark.parametrize(
    ("query", "events"),
    [
        ({}, [1, 2, 4, 8]),
        ({"from": "2026-01-31"}, [2, 4, 8]),
        ({"to": "2026-01-31"}, [1, 2, 4]),
        ({"from": "2026-01-31", "to": "2026-01-31"}, [2, 4]),
        ({"type": "order.sent"}, [4]),
        ({"type": "order.*"}, [1, 2, 4, 8]),
        ({"type": "ord.*"}, []),
        ({"by": "type", "granularity": "month"}, [3, 4, 8]),
        ({"by": "tenant", "granularity": "month"}, [7, 8]),
        ({"by": "tenant"}, [1, 6, 8]),
    ],
)
def test_report_groups_by_day_and_type_as_requested(tenant, query, events):
    rows = read(make_client(tenant, "read"), **{"from": "2026-01-01", "to": "2026-02-28", **query})
    assert [row["events"] for row in rows] == events


def test_report_row_names_what_it_distinguishes(tenant):
    (row,) = read(make_client(tenant, "read"), **{"from": "2026-02-01", "to": "2026-02-01"})
    assert row == {
        "date": "2026-02-01",
        "tenant": tenant.public_id,
        "type": "order.paid",
        "events": 8,
        "deliveries": 0,
    }


def test_report_without_a_period_covers_this_month():
    tenant = make_tenant()
    make_usage(tenant, today())
    make_usage(tenant, date(2020, 1, 1))
    assert [row["date"] for row in read(make_client(tenant))] == [today().isoformat()]


def test_report_for_an_operator_covers_all_tenants_or_the_named_one(tenant):
    other = make_tenant()
    make_usage(other, date(2026, 1, 31), "a", 16)
    window = {"from": "2026-01-01", "to": "2026-02-28"}
    operator = make_client()
    assert sum(row["events"] for row in read(operator, **window)) == 31
    assert sum(row["events"] for row in read(operator, tenant=other.public_id, **window)) == 16


def test_report_pages_are_complete(tenant):
    client = make_client(tenant, "read")
    page = client.get(API, {"from": "2026-01-01", "to": "2026-02-28", "limit": 1}).json()
    found = page["data"]
    while page["next"]:
        page = client.get(page["next"]).json()
        found += page["data"]
    assert [row["events"] for row in found] == [1, 2, 4, 8]


def test_report_as_csv_contains_no_formulas():
    tenant = make_tenant()
    make_usage(tenant, date(2026, 1, 1), '=cmd|"x"', 3, 6)
    response = make_client(tenant).get(API, {"from": "2026-01-01", "to": "2026-01-01"}, headers={"Accept": "text/csv"})
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response.content.decode().splitlines() == [
        "date,tenant,type,events,deliveries",
        f'2026-01-01,{tenant.public_id},"\'=cmd|""x""",3,6',
    ]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-02-30"}, "to"),
        ({"from": "2026-02-01", "to": "2026-01-01"}, "to"),
        ({"granularity": "hour"}, "granularity"),
        ({"by": "colour"}, "by"),
        ({"limit": "0"}, "limit"),
        ({"type": "a\0b"}, "type"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/csv"])
def test_report_with_an_invalid_parameter_names_it(query, field, accept):
    response = make_client(make_tenant()).get(API, query, headers={"Accept": accept})
    assert response.status_code == 400
    assert response["Content-Type"].startswith("application/problem+json")
    assert [error["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.parametrize("cursor", ["x", "W10", "é", "WyIyMDI2LTAxLTAxIiwieCIsbnVsbF0", "bnVsbA"])
def test_report_with_an_invalid_cursor_names_it(cursor):
    response = make_client(make_tenant()).get(API, {"cursor": cursor})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "cursor")


@pytest.mark.parametrize("path", ["usage/", "endpoints/{}/stats/"])
def test_report_in_an_unknown_format_is_not_acceptable(path: str) -> None:
    tenant = make_tenant()
    response = make_client(tenant).get(f"/api/v1/{path.format(make_endpoint(tenant).public_id)}?format=")
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["format"]
