"""Endpoints with OAuth, through whole drains: what they are sent, and that other endpoints are not affected."""

from typing import Any

import pytest

from delivery import notify
from delivery.models import Attempt, Delivery, Lane
from delivery.publishing.publisher import publish
from delivery.sending.drain import deliver_due
from delivery.transports.http import oauth_sender
from subscriptions.models import Endpoint, Tenant
from tests import receiver as scripts
from tests.factories import make_endpoint, make_subscription, make_tenant
from tests.receiver import Receiver
from tests.token_server import TokenServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)


@pytest.fixture
def server(receiver: Receiver) -> TokenServer:
    return TokenServer(receiver)


def subscribed(url: str, tenant: Tenant | None = None, **changes: Any) -> Endpoint:
    return make_subscription(make_endpoint(tenant, url=url, **changes)).endpoint


def delivered(endpoint: Endpoint, count: int = 1) -> None:
    """Publish ``count`` events and drain."""
    publish(endpoint.tenant, [{"type": "order.created", "data": n} for n in range(count)])
    deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)


def shown(receiver: Receiver, path: str = "/in") -> list[str | None]:
    return [arrival.headers["authorization"] for arrival in receiver.at(path)]


def test_deliveries_share_one_token(receiver: Receiver, server: TokenServer) -> None:
    endpoint = subscribed(receiver.url("/in"), auth=server.credentials())
    delivered(endpoint, 20)
    delivered(endpoint)
    assert shown(receiver) == ["Bearer token-1"] * 21
    assert len(server.forms) == 1


def test_401_gets_a_new_token_within_the_attempt(receiver: Receiver, server: TokenServer) -> None:
    endpoint = subscribed(receiver.script("/in", 200, 401, 200), auth=server.credentials())
    delivered(endpoint)
    delivered(endpoint)
    assert shown(receiver) == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]
    assert set(Delivery.objects.values_list("state", "attempts")) == {("delivered", 1)}
    assert list(Attempt.objects.order_by("id").values_list("repeats", flat=True)) == [None, "unauthorized"]
    assert len({arrival.message_id for arrival in receiver.at("/in")}) == 2


def test_second_401_ends_the_attempt(receiver: Receiver, server: TokenServer) -> None:
    endpoint = subscribed(receiver.script("/in", 401), auth=server.credentials())
    delivered(endpoint)
    assert shown(receiver) == ["Bearer token-1", "Bearer token-2"]
    (attempt,) = Attempt.objects.all()
    assert (attempt.status, attempt.error, attempt.repeats) == (401, "status", "unauthorized")
    assert Delivery.objects.get().state == "pending"


@pytest.mark.parametrize("response", [500, scripts.hang], ids=["broken", "hanging"])
def test_failing_token_server_fails_the_attempt_and_delays_no_other_endpoint(
    receiver: Receiver, server: TokenServer, response: Any
) -> None:
    server.respond_with(response)
    tenant = make_tenant()
    endpoint = subscribed(receiver.url("/in"), tenant, auth=server.credentials(), retry_plan=[1])
    subscribed(receiver.url("/neighbour"), tenant)
    delivered(endpoint, 5)
    assert len(receiver.at("/neighbour")) == 5
    assert not receiver.at("/in")
    failed = Attempt.objects.exclude(error="")
    assert set(failed.values_list("status", "error")) == {(None, "credentials")}
    if response is scripts.hang:  # a broken server responds as soon as the neighbour does
        ended = max(failed.values_list("started_at", flat=True))
        assert max(it.at for it in receiver.at("/neighbour")) < ended.timestamp()


def test_unexpected_error_while_getting_a_token_stops_no_other_endpoint(
    receiver: Receiver, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("subscriptions.endpoints.http.oauth_tokens._read", break_down)
    tenant = make_tenant()
    endpoint = subscribed(receiver.url("/in"), tenant, auth=server.credentials())
    subscribed(receiver.url("/neighbour"), tenant)
    delivered(endpoint)
    assert len(receiver.at("/neighbour")) == 1
    assert set(Attempt.objects.values_list("error", flat=True)) == {"", "credentials"}


def test_tenant_with_hanging_token_servers_leaves_places_to_others(
    receiver: Receiver, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth_sender, "TOKEN_REQUESTS_PER_TENANT", 2)
    hanging = make_tenant()
    url = receiver.script("/hanging", scripts.hang)
    for _ in range(12):
        subscribed(receiver.url("/in"), hanging, auth={**server.credentials(), "token_url": url}, retry_plan=[1000])
    publish(hanging, [{"type": "order.created", "data": 1}])
    endpoint = subscribed(receiver.url("/other"), auth=server.credentials(), retry_plan=[])
    delivered(endpoint)
    assert len(receiver.at("/other")) == 1
    assert Delivery.objects.get(endpoint=endpoint).state == "delivered"
    failed = Attempt.objects.exclude(error="")
    assert set(failed.values_list("error", flat=True)) == {"credentials"}
    assert len(failed) == 12
    assert not receiver.at("/in")
    assert len(receiver.at("/hanging")) < 12


def test_endpoints_beyond_the_token_requests_of_a_tenant_wait_for_a_place(
    receiver: Receiver, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth_sender, "TOKEN_REQUESTS_PER_TENANT", 2)
    tenant = make_tenant()
    endpoints = [subscribed(receiver.url("/in"), tenant, auth=server.credentials()) for _ in range(12)]
    delivered(endpoints[0])
    assert len(receiver.at("/in")) == 12
    assert set(Delivery.objects.values_list("state", "attempts")) == {("delivered", 1)}


def test_deliveries_arrive_when_the_token_server_recovers(receiver: Receiver, server: TokenServer) -> None:
    server.respond_with(500)
    endpoint = subscribed(receiver.url("/in"), auth=server.credentials(), retry_plan=[1, 1, 1])
    delivered(endpoint)
    server.recover()
    Delivery.objects.update(next_attempt_at=endpoint.created_at)
    Lane.objects.update(low_water_mark=endpoint.created_at)
    delivered(endpoint)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}


def test_endpoint_without_oauth_gets_no_token(receiver: Receiver, server: TokenServer) -> None:
    tenant = make_tenant()
    endpoint = subscribed(receiver.url("/in"), tenant, auth=server.credentials())
    subscribed(receiver.url("/neighbour"), tenant)
    delivered(endpoint, 3)
    assert shown(receiver, "/neighbour") == [None] * 3
