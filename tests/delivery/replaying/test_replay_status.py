"""The outcomes of a replay, and its warnings about endpoints that get nothing now."""

from datetime import datetime
from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from delivery.models import Delivery, Replay
from delivery.replaying.replay_status import states_of
from delivery.replaying.replays import run_slices
from subscriptions.models import Endpoint, Tenant
from tests.delivery.admin.rows import operator
from tests.delivery.factories import make_dead_letter, make_delivery, make_event, make_replay
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant

pytestmark = pytest.mark.django_db
API = "/api/v1/replays/"
DISABLED = "disabled: nothing is sent to it until it is enabled."


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
        ({"filter": {"cause": "responded_410"}}, False),
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


@pytest.mark.parametrize(
    "body",
    [{"filter": {"endpoint": "shop"}}, {"scope": "events", "filter": {"endpoint": "shop", "force": True}}],
    ids=["dead letters", "events"],
)
def test_replay_to_a_disabled_endpoint_is_refused(client: APIClient, endpoint: Endpoint, body: dict[str, Any]) -> None:
    make_letter(endpoint)
    for path in (API, f"{API}preview/"):
        response = client.post(path, body)
        assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, "#/filter/endpoint")
    assert not Replay.objects.exists()


def test_dead_letters_of_a_disabled_endpoint_are_left_out(client: APIClient, endpoint: Endpoint) -> None:
    left, sent = make_letter(endpoint), make_letter(make_endpoint(endpoint.tenant))
    preview = client.post(f"{API}preview/", {"all": True}).json()
    assert (preview["total"], preview["left_out"]) == (1, 1)
    assert client.post(API, {"all": True}).json()["total"] == 1
    run_slices()
    assert [Delivery.objects.get(pk=it.pk).state for it in (left, sent)] == ["dead", "pending"]
    assert left.dead_letters.get().closed_at is None


def test_past_events_are_not_sent_to_a_disabled_endpoint(client: APIClient, endpoint: Endpoint) -> None:
    active = make_endpoint(endpoint.tenant)
    make_subscription(endpoint)
    make_subscription(active)
    make_event(endpoint.tenant)
    assert client.post(API, {"scope": "missing", "all": True}).json()["total"] == 1
    run_slices()
    assert [it.endpoint for it in Delivery.objects.all()] == [active]


def test_preview_names_times_endpoints_and_types(client: APIClient, tenant: Tenant) -> None:
    endpoint = make_endpoint(tenant)
    first, last = make_letter(endpoint).dead_letters.get(), make_letter(endpoint).dead_letters.get()
    shown = client.post(f"{API}preview/", {"all": True}).json()
    assert [datetime.fromisoformat(shown[it]) for it in ("oldest", "newest")] == [first.failed_at, last.failed_at]
    assert shown["endpoints"] == [{"endpoint": endpoint.public_id, "count": 2}]
    assert shown["types"] == [{"type": "order.created", "count": 2}]
    events = client.post(f"{API}preview/", {"scope": "events", "all": True}).json()
    assert (events["endpoints"], events["types"]) == ([], [])
    assert events["oldest"] <= events["newest"]


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
