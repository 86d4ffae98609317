"""An endpoint that does not respond to OPTIONS is verified by returning the challenge of a signed event."""

import json
from typing import Any

import pytest

from delivery.single_attempts.endpoint_verification import verify_by_event
from subscriptions.models import Endpoint, HttpSettings
from tests.factories import make_client, make_endpoint
from tests.receiver import Exchange, Receiver, status
from tests.routes import ApiRoute, RouteCases
from tests.suspension import run_suspended

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]


class TestVerificationRoutes(RouteCases):
    routes = (ApiRoute("post", "endpoints/{endpoint}/verification/", "manage", 200, {}),)

    def make_ids(self, tenant: Any) -> dict[str, str]:
        return {"endpoint": make_endpoint(tenant, url="https://127.0.0.1:9/").public_id}


def echo(code: int = 200) -> Any:
    def response(exchange: Exchange) -> None:
        event = json.loads(exchange.server.receiver.arrivals[-1].body)
        status(code, event["data"]["challenge"].encode())(exchange)

    return response


def test_response_with_the_challenge_verifies_the_endpoint(receiver: Receiver) -> None:
    endpoint = make_endpoint(url=receiver.script("/in", echo()), state="unverified")
    result = (
        make_client(endpoint.tenant)
        .post(f"/api/v1/endpoints/{endpoint.public_id}/verification/", {"by": "event"})
        .json()
    )
    assert result == {"verification": "verified", "allowed_rate": None, "problem": ""}
    assert Endpoint.objects.get().state == "active"


@pytest.mark.parametrize("response", [200, echo(500), 404])
def test_response_without_the_challenge_or_success_does_not_verify(receiver: Receiver, response: Any) -> None:
    endpoint = make_endpoint(url=receiver.script("/in", response), state="unverified")
    result = verify_by_event(endpoint)
    assert result.verification == "unverified"
    assert result.problem
    assert Endpoint.objects.get().state == "unverified"


def test_suspended_verification_compares_with_the_challenge_that_was_sent(receiver: Receiver) -> None:
    endpoint = make_endpoint(url=receiver.script("/in", echo()), state="unverified")
    result, suspensions = run_suspended(lambda: verify_by_event(endpoint))
    assert (result.verification, suspensions, len(receiver.arrivals)) == ("verified", 1, 1)


def test_verification_does_not_verify_a_url_that_was_changed_while_it_was_suspended(receiver: Receiver) -> None:
    endpoint = make_endpoint(url=receiver.script("/in", echo()), state="unverified")
    path = f"/api/v1/endpoints/{endpoint.public_id}/verification/"
    client = make_client(endpoint.tenant)

    def change() -> None:
        HttpSettings.objects.update(url=receiver.url("/other"))

    response, _ = run_suspended(lambda: client.post(path, {"by": "event"}), meanwhile=change)
    assert response.status_code == 409
    assert Endpoint.objects.get().state == "unverified"
