"""The outcomes of a replay, and its warnings about endpoints that get nothing now."""

from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from delivery.models import Delivery, Replay
from delivery.replaying.replay_status import states_of
from subscriptions.models import Endpoint, Tenant
from tests.delivery.admin.rows import operator
from tests.delivery.factories import make_dead_letter, make_delivery, make_event, make_replay
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant

pytestmark = pytest.mark.django_db
API = "/api/v1/replays/"
DISABLED = "disabled: what is sent to it waits up to 7 days, then it is a dead letter again."


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def endpoint(tenant: Tenant) -> Endpoint:
    return make_endpoint(tenant, uid="shop", state="disabled", disabled_reason="failing", labels={"env": "prod"})


@pytest.fixture
def client(tenant: Tenant) -> APIClient:
    return make_client(tenant)


def make_letter(endpoint: Endpoint) -> Delivery:
    delivery = make_delivery(make_event(endpoint.tenant), endpoint, state="dead")
    make_dead_letter(delivery)
    return delivery


@pytest.mark.parametrize(
    ("body", "is_warned"),
    [
        ({"all": True}, True),
        ({"filter": {"endpoint": "shop"}}, True),
        ({"filter": {"cause": "responded_410"}}, False),
        ({"scope": "events", "filter": {"endpoint": "shop", "force": True}}, True),
        ({"scope": "events", "filter": {"labels": {"env": "prod"}}}, True),
        ({"scope": "events", "filter": {"labels": {"env": "dev"}}}, False),
        ({"scope": "missing", "all": True}, True),
    ],
)
def test_preview_and_replay_name_endpoints_that_do_not_get_theirs(
    client: APIClient, endpoint: Endpoint, body: dict[str, Any], is_warned: bool
) -> None:
    make_subscription(endpoint)
    make_letter(endpoint)
    expected = [f"shop: {DISABLED}"] if is_warned else []
    assert client.post(f"{API}preview/", body).json()["warnings"] == expected
    assert client.post(API, body).json()["warnings"] == expected


def test_active_endpoints_cause_no_warning(client: APIClient, tenant: Tenant) -> None:
    make_letter(make_endpoint(tenant))
    assert client.post(f"{API}preview/", {"all": True}).json()["warnings"] == []


def test_replay_shows_what_became_of_its_deliveries(client: APIClient, endpoint: Endpoint) -> None:
    row = make_replay(endpoint.tenant)
    for state in ("pending", "pending", "delivered", "dead"):
        make_delivery(make_event(endpoint.tenant), endpoint, state=state, replay=row)
    make_delivery(make_event(endpoint.tenant), endpoint, state="dead")
    shown = client.get(f"{API}{row.public_id}/").json()
    counts = {
        "pending": 2,
        "sending": 0,
        "delivered": 1,
        "dead": 1,
        "cancelled": 0,
        "superseded": 0,
        "is_lower_bound": False,
    }
    assert shown["deliveries"] == counts
    assert shown["warnings"] == [f"shop: {DISABLED}"]
    page = operator().get(reverse("admin:delivery_replay_change", args=[row.pk])).content.decode()
    for part in ("2 pending", "1 delivered", "1 dead", DISABLED):
        assert part in page


def test_replay_without_deliveries_has_zero_counts(tenant: Tenant) -> None:
    assert states_of(Replay.objects.get(pk=make_replay(tenant).pk)) == (0, 0, 0, 0, 0, 0, False)
