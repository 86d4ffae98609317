"""Nothing proves consent but what the specification says, and where it is required nothing is sent before it."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from subscriptions.endpoints import endpoints, verification
from subscriptions.errors import Invalid, StateConflict
from subscriptions.models import Endpoint
from subscriptions.routing.targets import load_targets
from tests import receiver as scripts
from tests.factories import URL, make_client, make_endpoint, make_tenant
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db

API = "/api/v1/endpoints/"
ORIGIN = "hooks.waypost.example"


@pytest.fixture(autouse=True)
def loopback(names: None, settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    settings.PUBLIC_URL = f"https://{ORIGIN}"


@pytest.fixture
def receiver():
    with Receiver() as it:
        yield it


def allows(code: int = 200, **headers: str) -> Any:
    return scripts.status(code, **{f"webhook_{name}": value for name, value in headers.items()})


def asked(endpoint: Endpoint, body: Any = None) -> Any:
    answer = make_client(endpoint.tenant).post(f"{API}{endpoint.public_id}/verification/", body or {})
    assert answer.status_code == 200, answer.content
    return answer.json()


def at(receiver: Receiver, answer: Any, **changes: Any) -> Endpoint:
    return make_endpoint(url=receiver.script("/in", answer), **changes)


def target_of(endpoint: Endpoint) -> Any:
    return load_targets([endpoint.id])[endpoint.id]


def test_a_grant_is_seen_limits_the_rate_and_every_delivery_names_us(receiver: Receiver) -> None:
    endpoint = at(receiver, allows(allowed_origin=ORIGIN, allowed_rate="120"), rate_limit=50)
    assert asked(endpoint, {"rate": 600}) == {"verification": "verified", "allowed_rate": 120, "problem": ""}
    headers = receiver.arrivals[0].headers
    assert (headers["webhook-request-origin"], headers["webhook-request-rate"]) == (ORIGIN, "600")
    assert headers["webhook-request-callback"].startswith(f"https://{ORIGIN}/api/v1/verification-callbacks/")
    shown = make_client(endpoint.tenant).get(f"{API}{endpoint.public_id}/").json()
    assert (shown["verification"], shown["allowed_rate"]) == ("verified", 120)
    assert shown["verified_at"]
    assert target_of(endpoint).rate_limit == 2.0
    assert f"webhook-request-origin: {ORIGIN}" in target_of(endpoint).headers


def test_the_owners_lower_limit_stands(receiver: Receiver) -> None:
    endpoint = at(receiver, allows(allowed_origin="*", allowed_rate="6000"), rate_limit=5)
    asked(endpoint)
    assert target_of(endpoint).rate_limit == 5


@pytest.mark.parametrize(
    "answer",
    [200, 204, allows(allowed_rate="*"), allows(allowed_origin="other.example"), allows(allowed_origin=""), 500,
     allows(allowed_origin="*", allowed_rate="many"), scripts.reset],
    ids=["200", "204", "rate alone", "another origin", "empty", "500", "bad rate", "reset"],
)  # fmt: skip
def test_without_its_headers_nothing_is_granted(receiver: Receiver, answer: Any) -> None:
    endpoint = at(receiver, answer)
    said = asked(endpoint)
    assert said["verification"] == "requested"
    assert said["problem"]
    assert Endpoint.objects.get(pk=endpoint.pk).verified_at is None
    assert target_of(endpoint).headers == ()


def test_where_we_have_no_https_nobody_can_call_back(receiver: Receiver, settings: Any) -> None:
    settings.PUBLIC_URL = "http://waypost.example"
    assert asked(at(receiver, 200))["verification"] == "unverified"
    assert "webhook-request-callback" not in receiver.arrivals[0].headers


@pytest.mark.parametrize("method", ["get", "post"])
def test_it_may_call_back_later(receiver: Receiver, method: str) -> None:
    endpoint = at(receiver, 200)
    asked(endpoint)
    path = receiver.arrivals[0].headers["webhook-request-callback"].removeprefix(f"https://{ORIGIN}")
    call = getattr(APIClient(), method)
    assert call("/api/v1/verification-callbacks/nobody-was-told-this/").status_code == 404
    assert call(path, headers={"WebHook-Allowed-Rate": "many"}).status_code == 400
    answer = call(path, headers={"WebHook-Allowed-Rate": "60"})
    assert answer.json() == {"verification": "verified", "allowed_rate": 60, "problem": ""}
    assert call(path).status_code == 404
    assert target_of(endpoint).rate_limit == 1.0


def test_a_key_is_kept_as_a_digest_and_ends_with_the_address(receiver: Receiver) -> None:
    endpoint = at(receiver, 200)
    asked(endpoint)
    path = receiver.arrivals[0].headers["webhook-request-callback"].removeprefix(f"https://{ORIGIN}")
    assert path.split("/")[-2].encode() not in bytes(Endpoint.objects.get().verification_key_digest or b"")
    endpoints.change_endpoint(endpoint, {"url": receiver.url("/other")})
    assert APIClient().get(path).status_code == 404


def test_asking_again_takes_nothing_back(receiver: Receiver) -> None:
    endpoint = at(receiver, allows(allowed_origin="*"))
    asked(endpoint)
    receiver.script("/in", 500)
    asked(endpoint)
    assert Endpoint.objects.get(pk=endpoint.pk).verification == "verified"


def test_another_address_has_consented_to_nothing(receiver: Receiver) -> None:
    endpoint = at(receiver, allows(allowed_origin="*", allowed_rate="60"))
    asked(endpoint)
    after = endpoints.change_endpoint(endpoint, {"url": receiver.url("/other"), "state": "active"})
    assert (after.verification, after.allowed_rate, after.state) == ("unverified", None, "active")
    assert target_of(endpoint).headers == ()


def test_an_address_that_changed_while_it_was_asked_is_not_granted_anything() -> None:
    endpoint = make_endpoint()
    Endpoint.objects.filter(pk=endpoint.pk).update(url="https://example.com/other")
    with pytest.raises(StateConflict):
        verification.mark_verified(endpoint)


class TestRequired:
    @pytest.fixture(autouse=True)
    def required(self, settings: Any) -> None:
        settings.WAYPOST_ENDPOINT_VERIFICATION = "required"

    def made(self, url: str, **fields: Any) -> Endpoint:
        return endpoints.create_endpoint(make_tenant(), url=url, **fields)[0]

    def test_nothing_is_sent_before_and_what_waited_goes_after(self, receiver: Receiver) -> None:
        endpoint = self.made(receiver.script("/in", allows(allowed_origin="*")))
        assert endpoint.state == "unverified"
        assert not target_of(endpoint).is_active
        asked(endpoint)
        assert target_of(endpoint).is_active

    @pytest.mark.parametrize("verb", [endpoints.enable, endpoints.resume])
    def test_no_other_way_leads_to_active(self, receiver: Receiver, verb: Any) -> None:
        endpoint = self.made(receiver.script("/in", allows(allowed_origin="*")))
        with pytest.raises(StateConflict, match="not verified"):
            verb(endpoint)
        endpoints.pause(endpoint)
        with pytest.raises(StateConflict, match="not verified"):
            verb(endpoint)
        asked(endpoint)
        assert Endpoint.objects.get().state == "paused"
        verb(endpoint)
        assert Endpoint.objects.get().state == "active"

    def test_a_disabled_one_has_to_consent_to_come_back(self, receiver: Receiver) -> None:
        endpoint = self.made(receiver.url())
        endpoints.disable(endpoint, "failing")
        with pytest.raises(StateConflict, match="not verified"):
            endpoints.enable(endpoint, by_operator=True)

    def test_a_new_address_has_to_be_asked_anew(self, receiver: Receiver) -> None:
        endpoint = self.made(receiver.script("/in", allows(allowed_origin="*")))
        asked(endpoint)
        row = Endpoint.objects.get()
        assert endpoints.change_endpoint(row, {"url": receiver.url("/b"), "state": "active"}).state == "unverified"

    def test_what_was_read_can_be_sent_back(self, receiver: Receiver) -> None:
        endpoint = self.made(receiver.url())
        client = make_client(endpoint.tenant)
        path = f"{API}{endpoint.public_id}/"
        assert client.put(path, client.get(path).json()).json()["state"] == "unverified"

    def test_nobody_asks_for_that_state(self) -> None:
        with pytest.raises(Invalid):
            self.made(URL, state="unverified")
        endpoint = make_endpoint()
        with pytest.raises(Invalid):
            endpoints.set_state(endpoint, "unverified")

    def test_no_test_delivery_goes_out_either(self, receiver: Receiver) -> None:
        endpoint = self.made(receiver.url("/in"))
        answer = make_client(endpoint.tenant).post(f"{API}{endpoint.public_id}/test/", {})
        assert answer.status_code == 409
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
def test_bad_input_names_the_field(body: Any, field: str) -> None:
    endpoint = make_endpoint()
    answer = make_client(endpoint.tenant).post(f"{API}{endpoint.public_id}/verification/", body)
    assert answer.status_code == 400
    assert field in {error["field"] for error in answer.json()["errors"]}
