from datetime import UTC, date, datetime

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from delivery.admin.usage import bars
from delivery.lifecycle.usage import UsageRow
from delivery.models import Usage
from tests.factories import make_plan, make_tenant

pytestmark = pytest.mark.django_db

TODAY = datetime.now(UTC).date()


def somebody(*permissions):
    user = User.objects.create(username="staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def page(client, **query):
    answer = client.get(reverse("admin:delivery_usage_changelist"), query)
    assert answer.status_code == 200
    return answer


def make_usage(tenant, kind="order.paid", events=1234):
    Usage.objects.create(tenant_id=tenant.pk, day=TODAY, type=kind, events=events, deliveries=2)


def test_a_month_is_shown_by_day_and_by_tenant_the_largest_first():
    small, large = make_tenant(name="Small"), make_tenant(name="Large")
    make_usage(small, events=5), make_usage(large)
    answer = page(somebody("view_usage"))
    assert dict(answer.context["totals"]) == {"events": 1239, "deliveries": 4}
    assert [owner.name for owner, _ in answer.context["rows"]] == ["Large", "Small"]
    assert "1,234" in answer.content.decode()


def test_one_tenant_is_shown_by_type_with_its_plan():
    tenant = make_tenant(uid="acme", plan=make_plan(name="Starter", events_per_month=100_000))
    make_usage(tenant), make_usage(tenant, "<b>", 1), make_usage(make_tenant())
    for ref in ("acme", tenant.public_id):
        answer = page(somebody_else(), tenant=ref)
        assert [row.type for _, row in answer.context["rows"]] == ["order.paid", "<b>"]
        text = answer.content.decode()
        assert "100,000 events a month" in text
        assert "&lt;b&gt;" in text


def somebody_else():
    User.objects.all().delete()
    return somebody("view_usage")


@pytest.mark.parametrize("query", [{"month": "nonsense"}, {"month": "2020-01"}, {"tenant": "nobody"}, {"tenant": "\0"}])
def test_what_is_not_there_is_said_and_breaks_nothing(query):
    make_usage(make_tenant())
    page(somebody("view_usage"), **query)


def test_looking_needs_the_permission():
    assert somebody().get(reverse("admin:delivery_usage_changelist")).status_code == 403


def test_every_day_of_the_month_has_its_bar_the_highest_fills_the_chart():
    days = [UsageRow(date(2026, 2, 3), None, None, 10, 0), UsageRow(date(2026, 2, 28), None, None, 1, 0)]
    shown = bars(days, date(2026, 2, 1), date(2026, 2, 28))
    assert [bar.day.day for bar in shown] == list(range(1, 29))
    assert [bar.height for bar in shown if bar.height] == [120, 12]
    assert all(bar.y + bar.height == 120 for bar in shown)
