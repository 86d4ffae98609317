"""Check the page of usage: by day, tenant and type."""

from datetime import date

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from delivery.admin.usage import daily_bars
from delivery.lifecycle.usage import UsageRow
from delivery.models import Usage
from tests.clock import time_of_test
from tests.factories import make_plan, make_tenant
from tests.staff import staff

pytestmark = pytest.mark.django_db


def page(client, **query):
    response = client.get(reverse("admin:delivery_usage_changelist"), query)
    assert response.status_code == 200
    return response


def make_usage(tenant, kind="order.paid", events=1234):
    Usage.objects.create(tenant_id=tenant.pk, day=time_of_test().date(), type=kind, events=events, deliveries=2)


def test_month_is_shown_by_day_and_by_tenant_largest_first():
    small, large = make_tenant(name="Small"), make_tenant(name="Large")
    make_usage(small, events=5), make_usage(large)
    response = page(staff("view_usage"))
    assert dict(response.context["totals"]) == {"events": 1239, "deliveries": 4}
    assert [owner.name for owner, _ in response.context["rows"]] == ["Large", "Small"]
    assert "1,234" in response.content.decode()


def test_one_tenant_is_shown_by_type_with_its_plan():
    tenant = make_tenant(uid="acme", plan=make_plan(name="Starter", events_per_month=100_000))
    make_usage(tenant), make_usage(tenant, "<b>", 1), make_usage(make_tenant())
    for ref in ("acme", tenant.public_id):
        response = page(new_staff(), tenant=ref)
        assert [row.type for _, row in response.context["rows"]] == ["order.paid", "<b>"]
        text = response.content.decode()
        assert "100,000 events per month" in text
        assert "&lt;b&gt;" in text


def new_staff():
    User.objects.all().delete()
    return staff("view_usage")


@pytest.mark.parametrize("query", [{"month": "nonsense"}, {"month": "2020-01"}, {"tenant": "other"}, {"tenant": "\0"}])
def test_unknown_month_or_tenant_causes_no_server_error(query):
    make_usage(make_tenant())
    page(staff("view_usage"), **query)


def test_page_without_permission_is_forbidden():
    assert staff().get(reverse("admin:delivery_usage_changelist")).status_code == 403


def test_every_day_has_a_bar_and_the_highest_fills_the_chart():
    days = [UsageRow(date(2026, 2, 3), None, None, 10, 0), UsageRow(date(2026, 2, 28), None, None, 1, 0)]
    shown = daily_bars(days, date(2026, 2, 1), date(2026, 2, 28))
    assert [bar.day.day for bar in shown] == list(range(1, 29))
    assert [bar.height for bar in shown if bar.height] == [120, 12]
    assert all(bar.y + bar.height == 120 for bar in shown)
