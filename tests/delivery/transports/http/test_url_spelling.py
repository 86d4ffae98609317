"""Check that an endpoint's URL is stored, shown, checked and sent in one form, however it was spelled."""

from typing import Any

import pytest

from delivery import notify
from delivery.models import Attempt, Delivery
from delivery.publishing.publisher import publish
from delivery.sending.drain import deliver_due
from subscriptions.endpoints.endpoints import change_endpoint, create_endpoint
from tests.factories import make_client, make_subscription, make_tenant
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8", "::1/128"]
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)


@pytest.mark.parametrize("host", ["127.0.0.1", "LocalHost", "localhost."])
@pytest.mark.parametrize(
    ("path", "sent"),
    [("/grün?q=é", "/gr%C3%BCn?q=%C3%A9"), ("/😱", "/%F0%9F%98%B1"), ("", "/"), ("/{id}|x", "/%7Bid%7D%7Cx")],
)
def test_delivery_to_any_accepted_spelling_arrives(receiver: Receiver, host: str, path: str, sent: str) -> None:
    port = receiver.url("/").rpartition(":")[2].rstrip("/")
    endpoint, _ = create_endpoint(make_tenant(), url=f"http://{host}:{port}{path}")
    make_subscription(endpoint)
    publish(endpoint.tenant, [{"type": "order.created", "data": {}}])
    deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)
    assert (Delivery.objects.get().state, Attempt.objects.get().error) == ("delivered", "")
    (arrival,) = receiver.arrivals
    assert arrival.path == sent
    name = host.lower().rstrip(".")
    assert endpoint.http.url == f"http://{name}:{port}{sent}"
    assert arrival.headers["host"] == f"{name}:{port}"


def test_api_shows_the_url_as_it_is_sent() -> None:
    tenant = make_tenant()
    client = make_client(tenant)
    made = client.post("/api/v1/endpoints/", {"url": "https://bücher.example/grün"}, format="json").json()
    assert made["url"] == "https://xn--bcher-kva.example/gr%C3%BCn"
    path = f"/api/v1/endpoints/{made['id']}/"
    assert client.get(path).json()["url"] == made["url"]
    auth = {
        "type": "oauth2",
        "token_url": "https://bücher.example/tökens",
        "client_id": "me",
        "client_secret": "secret",
    }
    changed = client.patch(path, {"auth": auth}, format="json").json()
    assert changed["auth"]["token_url"] == "https://xn--bcher-kva.example/t%C3%B6kens"


def test_another_spelling_of_the_same_url_is_no_change() -> None:
    endpoint, _ = create_endpoint(make_tenant(), url="https://example.com/h")
    changed = change_endpoint(endpoint, {"url": "https://EXAMPLE.com.:443/h"})
    assert (changed.http.url, changed.http.url_changed_at) == ("https://example.com/h", None)
