"""Endpoint verification: what the CloudEvents handshake accepts, and endpoints that must be verified before use."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from subscriptions.endpoints import endpoints, state
from subscriptions.endpoints.http import verification
from subscriptions.errors import Invalid, StateConflict
from subscriptions.models import Endpoint, HttpSettings
from subscriptions.routing.targets import load_targets
from tests import receiver as scripts
from tests.factories import URL, make_client, make_endpoint, make_tenant
from tests.receiver import Receiver
from tests.suspension import run_suspended
from webhooks.outgoing.call_limits import calls_per_host
from webhooks.outgoing.guarded_call import start_call

pytestmark = pytest.mark.django_db

API = "/api/v1/endpoints/"
ORIGIN = "hooks.waypost.example"


@pytest.fixture(autouse=True)
def loopback(names: None, settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    settings.PUBLIC_URL = f"https://{ORIGIN}"


@pytest.fixture
def receiver():
    with Receiver() as server:
        yield server


def allows(code: int = 200, **headers: str) -> Any:
    return scripts.status(code, **{f"webhook_{name}": value for name, value in headers.items()})


def request_verification(endpoint: Endpoint, body: Any = None) -> Any:
    response = make_client(endpoint.tenant).post(f"{API}{endpoint.public_id}/verification/", body or {})
    assert response.status_code == 200, response.content
    return response.json()


def endpoint_at(receiver: Receiver, response: Any, **changes: Any) -> Endpoint:
    return make_endpoint(url=receiver.script("/in", response), **changes)


def target_of(endpoint: Endpoint) -> Any:
    return load_targets([endpoint.id])[endpoint.id]


def test_handshake_verifies_limits_the_rate_and_adds_the_origin_header(receiver: Receiver) -> None:
    endpoint = endpoint_at(receiver, allows(allowed_origin=ORIGIN, allowed_rate="120"), rate_limit=50)
    assert request_verification(endpoint, {"rate": 600}) == {
        "verification": "verified",
        "allowed_rate": 120,
        "problem": "",
    }
    headers = receiver.arrivals[0].headers
    assert (headers["webhook-request-origin"], headers["webhook-request-rate"]) == (ORIGIN, "600")
    assert headers["webhook-request-callback"].startswith(f"https://{ORIGIN}/api/v1/verification-callbacks/")
    shown = make_client(endpoint.tenant).get(f"{API}{endpoint.public_id}/").json()
    assert (shown["verification"], shown["allowed_rate"]) == ("verified", 120)
    assert shown["verified_at"]
    assert target_of(endpoint).rate_limit == 2.0
    assert f"webhook-request-origin: {ORIGIN}" in target_of(endpoint).http.headers


def test_rate_limit_below_the_allowed_rate_applies(receiver: Receiver) -> None:
    endpoint = endpoint_at(receiver, allows(allowed_origin="*", allowed_rate="6000"), rate_limit=5)
    request_verification(endpoint)
    assert target_of(endpoint).rate_limit == 5


@pytest.mark.parametrize(
    "response",
    [200, 204, allows(allowed_rate="*"), allows(allowed_origin="other.example"), allows(allowed_origin=""), 500,
     allows(allowed_origin="*", allowed_rate="many"), scripts.reset],
    ids=["200", "204", "rate alone", "another origin", "empty", "500", "bad rate", "reset"],
)  # fmt: skip
def test_response_without_valid_headers_verifies_nothing(receiver: Receiver, response: Any) -> None:
    endpoint = endpoint_at(receiver, response)
    result = request_verification(endpoint)
    assert result["verification"] == "requested"
    assert result["problem"]
    assert HttpSettings.objects.get(pk=endpoint.pk).verified_at is None
    assert target_of(endpoint).http.headers == ()


def test_handshake_without_https_sends_no_callback_url(receiver: Receiver, settings: Any) -> None:
    settings.PUBLIC_URL = "http://waypost.example"
    assert request_verification(endpoint_at(receiver, 200))["verification"] == "unverified"
    assert "webhook-request-callback" not in receiver.arrivals[0].headers


@pytest.mark.parametrize("method", ["get", "post"])
def test_callback_verifies_once(receiver: Receiver, method: str) -> None:
    endpoint = endpoint_at(receiver, 200)
    request_verification(endpoint)
    path = receiver.arrivals[0].headers["webhook-request-callback"].removeprefix(f"https://{ORIGIN}")
    call = getattr(APIClient(), method)
    assert call("/api/v1/verification-callbacks/never-issued/").status_code == 404
    assert call(path, headers={"WebHook-Allowed-Rate": "many"}).status_code == 400
    response = call(path, headers={"WebHook-Allowed-Rate": "60"})
    assert response.json() == {"verification": "verified", "allowed_rate": 60, "problem": ""}
    assert call(path).status_code == 404
    assert target_of(endpoint).rate_limit == 1.0


def test_callback_key_is_stored_as_a_digest_and_ends_when_the_url_changes(receiver: Receiver) -> None:
    endpoint = endpoint_at(receiver, 200)
    request_verification(endpoint)
    path = receiver.arrivals[0].headers["webhook-request-callback"].removeprefix(f"https://{ORIGIN}")
    assert path.split("/")[-2].encode() not in bytes(HttpSettings.objects.get().verification_key_digest or b"")
    endpoints.change_endpoint(endpoint, {"url": receiver.url("/other")})
    assert APIClient().get(path).status_code == 404


def test_failed_second_request_keeps_the_verification(receiver: Receiver) -> None:
    endpoint = endpoint_at(receiver, allows(allowed_origin="*"))
    request_verification(endpoint)
    receiver.script("/in", 500)
    request_verification(endpoint)
    assert HttpSettings.objects.get(pk=endpoint.pk).verification == "verified"


def test_change_of_url_resets_the_verification(receiver: Receiver) -> None:
    endpoint = endpoint_at(receiver, allows(allowed_origin="*", allowed_rate="60"))
    request_verification(endpoint)
    after = endpoints.change_endpoint(endpoint, {"url": receiver.url("/other"), "state": "active"})
    assert (after.http.verification, after.allowed_rate, after.state) == ("unverified", None, "active")
    assert target_of(endpoint).http.headers == ()


def test_mark_verified_after_a_concurrent_change_of_url_raises() -> None:
    endpoint = make_endpoint()
    HttpSettings.objects.filter(pk=endpoint.pk).update(url="https://example.com/other")
    with pytest.raises(StateConflict):
        verification.mark_verified(endpoint)


class TestRequired:
    @pytest.fixture(autouse=True)
    def required(self, settings: Any) -> None:
        settings.WAYPOST_ENDPOINT_VERIFICATION = "required"

    def create(self, url: str, **fields: Any) -> Endpoint:
        return endpoints.create_endpoint(make_tenant(), url=url, **fields)[0]

    def test_endpoint_is_inactive_until_verified(self, receiver: Receiver) -> None:
        endpoint = self.create(receiver.script("/in", allows(allowed_origin="*")))
        assert endpoint.state == "unverified"
        assert not target_of(endpoint).is_active
        request_verification(endpoint)
        assert target_of(endpoint).is_active

    @pytest.mark.parametrize("change", [state.enable, state.resume])
    def test_unverified_endpoint_cannot_be_enabled_or_resumed(self, receiver: Receiver, change: Any) -> None:
        endpoint = self.create(receiver.script("/in", allows(allowed_origin="*")))
        with pytest.raises(StateConflict, match="not verified"):
            change(endpoint)
        state.pause(endpoint)
        with pytest.raises(StateConflict, match="not verified"):
            change(endpoint)
        request_verification(endpoint)
        assert Endpoint.objects.get().state == "paused"
        change(endpoint)
        assert Endpoint.objects.get().state == "active"

    def test_disabled_unverified_endpoint_cannot_be_enabled_by_an_operator(self, receiver: Receiver) -> None:
        endpoint = self.create(receiver.url())
        state.disable(endpoint, "failing")
        with pytest.raises(StateConflict, match="not verified"):
            state.enable(endpoint, by_operator=True)

    def test_change_of_url_makes_the_endpoint_unverified(self, receiver: Receiver) -> None:
        endpoint = self.create(receiver.script("/in", allows(allowed_origin="*")))
        request_verification(endpoint)
        row = Endpoint.objects.get()
        assert endpoints.change_endpoint(row, {"url": receiver.url("/b"), "state": "active"}).state == "unverified"

    def test_representation_can_be_sent_back_unchanged(self, receiver: Receiver) -> None:
        endpoint = self.create(receiver.url())
        client = make_client(endpoint.tenant)
        path = f"{API}{endpoint.public_id}/"
        assert client.put(path, client.get(path).json()).json()["state"] == "unverified"

    def test_state_unverified_cannot_be_requested(self) -> None:
        with pytest.raises(Invalid):
            self.create(URL, state="unverified")
        endpoint = make_endpoint()
        with pytest.raises(Invalid):
            state.set_state(endpoint, "unverified")

    def test_test_delivery_to_an_unverified_endpoint_is_a_409(self, receiver: Receiver) -> None:
        endpoint = self.create(receiver.url("/in"))
        response = make_client(endpoint.tenant).post(f"{API}{endpoint.public_id}/test/", {})
        assert response.status_code == 409
        assert not receiver.arrivals


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"by": "mail"}, "by"),
        ({"rate": 0}, "rate"),
        ({"rate": "5"}, "rate"),
        ({"by": "event", "rate": 5}, "rate"),
        ({"x": 1}, "x"),
    ],
)
def test_invalid_verification_request_names_the_field(body: Any, field: str) -> None:
    endpoint = make_endpoint()
    response = make_client(endpoint.tenant).post(f"{API}{endpoint.public_id}/verification/", body)
    assert response.status_code == 400
    assert field in {error["field"] for error in response.json()["errors"]}


def test_suspended_handshake_asks_once_and_its_callback_key_stays_valid(receiver: Receiver) -> None:
    endpoint = endpoint_at(receiver, 200)
    result, suspensions = run_suspended(lambda: request_verification(endpoint))
    assert (result["verification"], suspensions) == ("requested", 1)
    (arrival,) = receiver.arrivals
    path = arrival.headers["webhook-request-callback"].removeprefix(f"https://{ORIGIN}")
    assert APIClient().post(path).json()["verification"] == "verified"


def test_suspended_handshake_verifies(receiver: Receiver) -> None:
    endpoint = endpoint_at(receiver, allows(allowed_origin=ORIGIN), state="unverified")
    result, suspensions = run_suspended(lambda: request_verification(endpoint))
    assert (result["verification"], suspensions, len(receiver.arrivals)) == ("verified", 1, 1)
    assert Endpoint.objects.get().state == "active"


def test_handshake_does_not_verify_a_url_that_was_changed_while_it_was_suspended(receiver: Receiver) -> None:
    endpoint = endpoint_at(receiver, allows(allowed_origin=ORIGIN))
    path = f"{API}{endpoint.public_id}/verification/"
    client = make_client(endpoint.tenant)

    def change() -> None:
        endpoints.change_endpoint(endpoint, {"url": receiver.url("/other")})

    response, _ = run_suspended(lambda: client.post(path, {}), meanwhile=change)
    assert response.status_code == 409
    assert HttpSettings.objects.get().verification == "unverified"


def test_handshake_beyond_the_calls_of_the_tenant_is_a_429_that_names_the_limit(receiver: Receiver) -> None:
    receiver.script("/in", scripts.hang)
    endpoint, other = endpoint_at(receiver, scripts.hang), make_endpoint(url=receiver.url("/other"))
    running = [start_call("OPTIONS", endpoint.http.url, share=endpoint.tenant_id) for _ in range(calls_per_host())]
    receiver.wait_for(calls_per_host(), "/in")
    response = make_client(endpoint.tenant).post(f"{API}{endpoint.public_id}/verification/", {})
    assert (response.status_code, response.json()["limit"]) == (429, "WAYPOST_CALLS_PER_TENANT")
    assert response["Retry-After"] == "2"
    assert request_verification(other)["verification"] == "requested"
    assert not any(future.done() for future in running)
