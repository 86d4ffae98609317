"""Send events again in the admin: the page counts, POST creates the replay, and the permission is required."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from delivery.models import Event, Replay
from subscriptions.models import Tenant
from tests.clock import time_of_test
from tests.delivery.admin.rows import operator
from tests.delivery.factories import make_event
from tests.factories import make_endpoint, make_subscription, make_tenant

pytestmark = pytest.mark.django_db

LIST = "admin:delivery_event_changelist"
PAGE = "admin:delivery_event_replay"


@pytest.fixture
def tenant() -> Tenant:
    tenant = make_tenant()
    make_subscription(make_endpoint(tenant, uid="late"))
    return tenant


def past(tenant: Tenant, **changes: Any) -> Event:
    return make_event(tenant, created_at=time_of_test() - timedelta(hours=1), **changes)


def select(client: Client, *events: Event) -> Any:
    """Return the response of the action with these events selected."""
    return client.post(reverse(LIST), {"action": "send_again", "_selected_action": [it.pk for it in events]})


def test_replay_by_filter_counts_first_and_creates_replay_on_post(tenant: Tenant) -> None:
    past(tenant)
    past(tenant, type="rare")
    client = operator("add_replay")
    query = client.get(reverse(LIST), {"tenant__id__exact": str(tenant.pk)}).context["replay_query"]
    path = f"{reverse(PAGE)}?{query}"
    assert client.get(path).context["total"] == 2
    assert client.get(f"{path}&type=rare").context["total"] == 1
    assert not Replay.objects.exists()
    response = client.post(f"{path}&type=rare&endpoint=late", {"rate": "7"})
    row = Replay.objects.get()
    assert response["Location"] == reverse("admin:delivery_replay_change", args=[row.pk])
    assert (row.scope, row.total, row.rate, row.requested_by) == ("missing", 1, 7, "admin:ops")
    assert row.filter["type"] == "rare"


def test_selected_events_are_sent_again_whatever_their_state(tenant: Tenant) -> None:
    chosen, _ = past(tenant), past(tenant)
    client = operator("add_replay")
    path = select(client, chosen)["Location"]
    assert client.get(path).context["total"] == 1
    client.post(path, {"rate": "5"})
    row = Replay.objects.get()
    assert (row.scope, row.filter) == ("events", {"ids": [chosen.public_id]})


def test_events_of_two_tenants_are_rejected(tenant: Tenant) -> None:
    client = operator("add_replay")
    path = select(client, past(tenant), past(make_tenant()))["Location"]
    assert client.post(path, {"rate": "5"})["Location"] == reverse(LIST)
    assert not Replay.objects.exists()


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"endpoint": "unknown"}, "endpoint"),
        ({"force": "on"}, "force"),
        ({"ids": "dl_1"}, "ids"),
        ({"scope": "dead_letters"}, "scope"),
        ({"since": "yesterday"}, "since"),
        ({"tpye": "order.created"}, "tpye"),
    ],
)
def test_invalid_query_is_reported_and_sends_nothing(tenant: Tenant, query: dict[str, str], problem: str) -> None:
    past(tenant)
    client = operator("add_replay")
    path = f"{reverse(PAGE)}?tenant={tenant.public_id}&" + "&".join(f"{k}={v}" for k, v in query.items())
    for response in (client.get(path), client.post(path, {"rate": "5"})):
        assert response.status_code == 200
        assert response.context["problem"].startswith(problem)
    assert not Replay.objects.exists()


@pytest.mark.parametrize("rate", ["0", "", "fast", "10001"])
def test_invalid_rate_sends_nothing(tenant: Tenant, rate: str) -> None:
    past(tenant)
    response = operator("add_replay").post(f"{reverse(PAGE)}?tenant={tenant.public_id}", {"rate": rate})
    assert response.context["form"].errors
    assert not Replay.objects.exists()


def test_page_without_permission_is_forbidden(tenant: Tenant) -> None:
    event = past(tenant)
    client = operator()
    path = f"{reverse(PAGE)}?tenant={tenant.public_id}"
    assert client.get(path).status_code == client.post(path, {"rate": "5"}).status_code == 403
    assert "replay_query" not in client.get(reverse(LIST), {"tenant__id__exact": str(tenant.pk)}).context
    select(client, event)
    assert not Replay.objects.exists()


@pytest.mark.parametrize("filters", [{}, {"q": "x"}, {"tenant__id__exact": "unknown"}, {"created_at_from_0": "soon"}])
def test_list_with_filter_unknown_to_replays_offers_no_button(tenant: Tenant, filters: dict[str, str]) -> None:
    response = operator("add_replay").get(reverse(LIST), filters, follow=True)
    assert not (response.context or {}).get("replay_query")
