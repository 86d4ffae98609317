"""Sending events again in the admin: the page counts, its POST acts, and only for who may."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from delivery.models import Event, Replay
from subscriptions.models import Tenant
from tests.delivery.admin.rows import operator
from tests.delivery.factories import make_event
from tests.factories import make_endpoint, make_subscription, make_tenant

pytestmark = pytest.mark.django_db

LIST = "admin:delivery_event_changelist"
PAGE = "admin:delivery_event_send_again"
AGO = datetime.now(UTC) - timedelta(hours=1)


@pytest.fixture
def tenant() -> Tenant:
    tenant = make_tenant()
    make_subscription(make_endpoint(tenant, uid="late"))
    return tenant


def past(tenant: Tenant, **changes: Any) -> Event:
    return make_event(tenant, created_at=AGO, **changes)


def select(client: Client, *events: Event) -> Any:
    """Where the action leads with these events chosen."""
    return client.post(reverse(LIST), {"action": "send_again", "_selected_action": [it.pk for it in events]})


def test_what_the_filters_show_is_counted_first_and_sent_then(tenant: Tenant) -> None:
    past(tenant)
    past(tenant, type="rare")
    client = operator("add_replay")
    query = client.get(reverse(LIST), {"tenant__id__exact": str(tenant.pk)}).context["send_again_query"]
    path = f"{reverse(PAGE)}?{query}"
    assert client.get(path).context["total"] == 2
    assert client.get(f"{path}&type=rare").context["total"] == 1
    assert not Replay.objects.exists()
    answer = client.post(f"{path}&type=rare&endpoint=late", {"rate": "7"})
    row = Replay.objects.get()
    assert answer["Location"] == reverse("admin:delivery_replay_change", args=[row.pk])
    assert (row.scope, row.total, row.rate, row.requested_by) == ("missing", 1, 7, "admin:ops")
    assert row.filter["type"] == "rare"


def test_chosen_events_are_sent_whatever_became_of_them(tenant: Tenant) -> None:
    chosen, _ = past(tenant), past(tenant)
    client = operator("add_replay")
    path = select(client, chosen)["Location"]
    assert client.get(path).context["total"] == 1
    client.post(path, {"rate": "5"})
    row = Replay.objects.get()
    assert (row.scope, row.filter) == ("events", {"ids": [chosen.public_id]})


def test_events_of_two_tenants_are_not_sent_together(tenant: Tenant) -> None:
    client = operator("add_replay")
    path = select(client, past(tenant), past(make_tenant()))["Location"]
    assert client.post(path, {"rate": "5"})["Location"] == reverse(LIST)
    assert not Replay.objects.exists()


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"endpoint": "nobody"}, "endpoint"),
        ({"force": "on"}, "force"),
        ({"ids": "dl_1"}, "ids"),
        ({"scope": "dead_letters"}, "scope"),
        ({"since": "yesterday"}, "since"),
    ],
)
def test_what_makes_no_sense_is_said_and_sends_nothing(tenant: Tenant, query: dict[str, str], problem: str) -> None:
    past(tenant)
    client = operator("add_replay")
    path = f"{reverse(PAGE)}?tenant={tenant.public_id}&" + "&".join(f"{k}={v}" for k, v in query.items())
    for answer in (client.get(path), client.post(path, {"rate": "5"})):
        assert answer.status_code == 200
        assert answer.context["problem"].startswith(problem)
    assert not Replay.objects.exists()


@pytest.mark.parametrize("rate", ["0", "", "fast", "10001"])
def test_a_rate_that_makes_no_sense_sends_nothing(tenant: Tenant, rate: str) -> None:
    past(tenant)
    answer = operator("add_replay").post(f"{reverse(PAGE)}?tenant={tenant.public_id}", {"rate": rate})
    assert answer.context["form"].errors
    assert not Replay.objects.exists()


def test_only_who_may_create_a_replay_may_send_again(tenant: Tenant) -> None:
    event = past(tenant)
    client = operator()
    path = f"{reverse(PAGE)}?tenant={tenant.public_id}"
    assert client.get(path).status_code == client.post(path, {"rate": "5"}).status_code == 403
    assert "send_again_query" not in client.get(reverse(LIST), {"tenant__id__exact": str(tenant.pk)}).context
    select(client, event)
    assert not Replay.objects.exists()


@pytest.mark.parametrize("filters", [{}, {"q": "x"}, {"tenant__id__exact": "nobody"}, {"created_at_from_0": "soon"}])
def test_a_filter_that_cannot_be_carried_over_offers_nothing(tenant: Tenant, filters: dict[str, str]) -> None:
    answer = operator("add_replay").get(reverse(LIST), filters, follow=True)
    assert not (answer.context or {}).get("send_again_query")
