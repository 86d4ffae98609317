"""Test deliveries are sent as deliveries are, and show request, response and timing."""

import base64
import json
import threading
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from rest_framework.test import APIClient
from standardwebhooks import Webhook

from delivery.models import Attempt, Delivery, Event, Lane
from delivery.single_attempts import test_delivery
from delivery.single_attempts.test_event import new_event
from subscriptions.endpoints.state import disable
from subscriptions.models import Endpoint, HttpSettings, Tenant
from tests import receiver as scripts
from tests.delivery.factories import make_event
from tests.dns_server import Answer, DnsServer
from tests.factories import make_client, make_endpoint, make_event_type, make_secret, make_subscription, make_tenant
from tests.pki import Authority
from tests.receiver import Receiver
from tests.routes import ApiRoute, RouteCases
from tests.suspension import run_suspended
from tests.token_server import TokenServer
from webhooks.outgoing import resolver
from webhooks.wire.signing.keys import new_secret

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def client(tenant: Tenant) -> APIClient:
    return make_client(tenant)


def post_test(client: APIClient, endpoint: Any, body: Any = None, status: int = 200) -> Any:
    response = client.post(f"/api/v1/endpoints/{endpoint.public_id}/test/", body or {})
    assert response.status_code == status, response.content
    return response.json()


class TestTestDeliveryRoutes(RouteCases):
    routes = (ApiRoute("post", "endpoints/{endpoint}/test/", "manage", 200, {}),)

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        return {"endpoint": make_endpoint(tenant, url="https://127.0.0.1:9/").public_id}


def test_test_sends_a_signed_event_and_shows_request_and_response(
    client: APIClient, tenant: Tenant, receiver: Receiver
) -> None:
    receiver.script("/in", scripts.status(201, b'{"ok":true}', x_trace="abc"))
    secret = new_secret()
    shown = post_test(client, make_endpoint(tenant, url=receiver.url("/in"), secret=secret), {"data": {"n": 5}})
    (arrival,) = receiver.arrivals
    assert arrival.verify(secret)["data"] == {"n": 5}
    assert (shown["delivered"], shown["error"]) == (True, "")
    assert shown["request"]["body"] == arrival.body.decode()
    assert shown["request"]["headers"]["webhook-id"] == arrival.message_id
    assert arrival.verify(secret)["id"] == arrival.message_id
    assert Webhook(secret).verify(shown["request"]["body"], shown["request"]["headers"])
    assert (shown["response"]["status"], shown["response"]["body"]) == (201, '{"ok":true}')
    assert ["x-trace", "abc"] in shown["response"]["headers"]
    assert {"resolved_ms", "connected_ms", "first_byte_ms", "total_ms"} >= shown["timing"].keys()


@pytest.mark.parametrize("number", ["1.10", "1e3", "-0", "18446744073709551617"])
def test_numbers_of_a_test_event_are_sent_as_they_were_written(
    client: APIClient, tenant: Tenant, receiver: Receiver, number: str
) -> None:
    path = f"/api/v1/endpoints/{make_endpoint(tenant, url=receiver.url()).public_id}/test/"
    client.post(path, f'{{"data":{{"n":{number}}}}}'.encode(), content_type="application/json")
    (arrival,) = receiver.arrivals
    assert arrival.body.endswith(f'"data":{{"n":{number}}}}}'.encode())


def test_test_with_a_stored_event_sends_its_bytes(client: APIClient, tenant: Tenant, receiver: Receiver) -> None:
    event = make_event(tenant)
    post_test(client, make_endpoint(tenant, url=receiver.url()), {"event": event.public_id})
    (arrival,) = receiver.arrivals
    assert (arrival.message_id, arrival.body) == (event.public_id, bytes(event.body))


def test_test_stores_nothing(client: APIClient, tenant: Tenant, receiver: Receiver) -> None:
    post_test(client, make_endpoint(tenant, url=receiver.script("/in", 500)))
    assert not any(table.objects.exists() for table in (Event, Delivery, Attempt))


@pytest.mark.parametrize(
    ("response", "status", "error"),
    [(500, 500, "status"), (302, 302, "status"), (scripts.hang, None, "timeout"), (scripts.reset, None, "reset")],
    ids=["500", "302", "hang", "reset"],
)
def test_failed_test_shows_what_a_delivery_would_record(
    client: APIClient, tenant: Tenant, receiver: Receiver, response: Any, status: int | None, error: str
) -> None:
    shown = post_test(client, make_endpoint(tenant, url=receiver.script("/in", response), timeout_ms=1_000))
    assert (shown["delivered"], shown["error"]) == (False, error)
    assert (shown["response"] or {}).get("status") == status


def test_test_sends_credentials_and_masks_them(client: APIClient, tenant: Tenant, receiver: Receiver) -> None:
    auth = {"type": "basic", "username": "u", "password": "hunter2"}
    shown = post_test(client, make_endpoint(tenant, url=receiver.url("/in"), auth=auth, headers={"x-key": "sesame"}))
    (arrival,) = receiver.at("/in")
    assert base64.b64decode(arrival.headers["authorization"].removeprefix("Basic ")) == b"u:hunter2"
    assert arrival.headers["x-key"] == "sesame"
    assert (shown["request"]["headers"]["authorization"], shown["request"]["headers"]["x-key"]) == ("***", "***")


def test_test_of_an_oauth_endpoint_sends_a_token(client: APIClient, tenant: Tenant, receiver: Receiver) -> None:
    server = TokenServer(receiver)
    post_test(client, make_endpoint(tenant, url=receiver.url("/in"), auth=server.credentials()))
    assert receiver.at("/in")[0].headers["authorization"] == "Bearer token-1"
    server.respond_with(500)
    endpoint = make_endpoint(tenant, url=receiver.url("/in"), auth=server.credentials())
    assert post_test(client, endpoint)["error"] == "credentials"


def test_test_uses_the_client_certificate(client: APIClient, tenant: Tenant, tmp_path: Any) -> None:
    ours, theirs = Authority(), Authority()
    issued = ours.issue()
    tls = {"certificate": issued.pem, "private_key": issued.key, "ca": theirs.pem}
    with Receiver(tls=theirs.server(tmp_path, client_authority=ours)) as receiver:
        shown = post_test(client, make_endpoint(tenant, url=receiver.url(), tls=tls))
    assert shown["response"]["status"] == 200
    assert shown["timing"]["tls_ms"] > 0


@pytest.mark.parametrize(
    "url",
    ["https://10.0.0.1/", "https://169.254.169.254/latest", "https://[fd00::1]/", "https://[::ffff:10.0.0.1]:8443/x"],
)
def test_test_of_a_forbidden_address_is_the_same_for_every_reason(
    client: APIClient, tenant: Tenant, settings: Any, url: str
) -> None:
    settings.WAYPOST_ALLOW_NETWORKS = []
    shown = post_test(client, make_endpoint(tenant, url=url))
    del shown["request"]
    assert shown == {
        "delivered": False,
        "sent": True,
        "error": "forbidden",
        "explanation": "Address not allowed",
        "repeats": [],
        "response": None,
        "timing": {},
        "re_enabled": False,
    }


def test_long_response_is_truncated(client: APIClient, tenant: Tenant, receiver: Receiver) -> None:
    shown = post_test(client, make_endpoint(tenant, url=receiver.script("/in", scripts.status(200, b"x" * 200_000))))
    assert shown["response"]["body_truncated"] is True
    assert len(shown["response"]["body"]) <= 16_384


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"event": "evt_01m83t2ghzevcannga6my0tf3k", "type": "a"}, "event"),
        ({"event": 5}, "event"),
        ({"type": ""}, "type"),
        ({"type": "a\u0000"}, "type"),
        ({"type": 5}, "type"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_invalid_input_names_the_field(client: APIClient, tenant: Tenant, body: Any, field: str) -> None:
    assert field in json.dumps(post_test(client, make_endpoint(tenant), body, status=400))


def test_event_of_another_tenant_is_unknown(client: APIClient, tenant: Tenant) -> None:
    problem = post_test(client, make_endpoint(tenant), {"event": make_event(make_tenant()).public_id}, status=400)
    assert [it["field"] for it in problem["errors"]] == ["event"]


def test_test_of_a_paused_endpoint_during_rotation_has_both_signatures(
    client: APIClient, tenant: Tenant, receiver: Receiver
) -> None:
    endpoint = make_endpoint(tenant, url=receiver.url(), state="paused")
    shown = post_test(client, endpoint)
    assert shown["delivered"] is True
    assert len(shown["request"]["headers"]["webhook-signature"].split()) == 1
    make_secret(endpoint, expires_at="2999-01-01T00:00:00Z")
    endpoint.save()
    assert len(post_test(client, endpoint)["request"]["headers"]["webhook-signature"].split()) == 2


TESTS_PER_TENANT = settings.WAYPOST_TESTS_PER_TENANT


def start_hanging_tests(receiver: Receiver, tenant: Tenant, count: int) -> tuple[list[Any], threading.Event]:
    """Start tests of an endpoint that responds when the event is set."""
    finish = threading.Event()

    def respond(exchange: scripts.Exchange) -> None:
        finish.wait()
        scripts.status(200)(exchange)

    path = f"/{tenant.id}"
    endpoint = make_endpoint(tenant, url=receiver.script(path, respond))
    running = [test_delivery.start_test(endpoint, new_event(endpoint)) for _ in range(count)]
    receiver.wait_for(count, path)
    return running, finish


def test_test_beyond_the_limit_of_the_tenant_is_a_429_that_names_it(
    client: APIClient, tenant: Tenant, receiver: Receiver
) -> None:
    endpoint = make_endpoint(tenant, url=receiver.url())
    running, finish = start_hanging_tests(receiver, tenant, TESTS_PER_TENANT)
    problem = post_test(client, endpoint, status=429)
    assert problem["limit"] == "WAYPOST_TESTS_PER_TENANT"
    assert str(TESTS_PER_TENANT) in problem["detail"]
    finish.set()
    assert all(future.result().test.outcome.delivered for future in running)
    assert post_test(client, endpoint)["delivered"] is True


def test_hanging_tests_of_one_tenant_leave_those_of_another_alone(
    client: APIClient, tenant: Tenant, receiver: Receiver
) -> None:
    tenants = [make_tenant() for _ in range(10)]
    started = [start_hanging_tests(receiver, hostile, TESTS_PER_TENANT) for hostile in tenants]
    assert post_test(client, make_endpoint(tenant, url=receiver.url()))["delivered"] is True
    assert not any(future.done() for running, _ in started for future in running)
    for running, finish in started:
        finish.set()
        assert all(future.result().test.outcome.delivered for future in running)


def test_test_beyond_the_lookups_of_the_tenant_is_a_429_that_names_them(
    client: APIClient,
    tenant: Tenant,
    receiver: Receiver,
    dns: DnsServer,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    settings.WAYPOST_LOOKUPS_PER_TENANT = 1
    monkeypatch.setattr(resolver, "QUEUED_PER_PLACE", 0)
    dns.answers["hangs.example.com"] = Answer(hangs=True)
    resolver.resolve("hangs.example.com", tenant.id)
    problem = post_test(client, make_endpoint(tenant, url=receiver.url(host="hooks.example.com")), status=429)
    assert problem["limit"] == "WAYPOST_LOOKUPS_PER_TENANT"
    assert not receiver.arrivals


def test_hanging_tests_occupy_no_thread_each(tenant: Tenant, receiver: Receiver) -> None:
    before = {thread.name for thread in threading.enumerate()}
    tenants = [make_tenant() for _ in range(10)]
    started = [start_hanging_tests(receiver, hostile, TESTS_PER_TENANT) for hostile in tenants]
    new = {thread.name for thread in threading.enumerate()} - before
    assert {name for name in new if "process_request_thread" not in name} <= {"http-sender", "outgoing calls"}
    for running, finish in started:
        finish.set()
        assert all(future.result() for future in running)


@pytest.mark.parametrize(
    ("reason", "status", "re_enabled"),
    [("failing", 200, True), ("responded_410", 204, True), ("failing", 500, False), ("operator", 200, False)],
)
def test_delivered_test_enables_an_endpoint_disabled_for_failures(
    client: APIClient, tenant: Tenant, receiver: Receiver, reason: str, status: int, re_enabled: bool
) -> None:
    receiver.script("/in", scripts.status(status))
    endpoint = make_endpoint(tenant, url=receiver.url("/in"))
    assert disable(endpoint, reason)
    assert post_test(client, endpoint)["re_enabled"] is re_enabled
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.disabled_reason) == (("active", "") if re_enabled else ("disabled", reason))


@pytest.mark.parametrize(("status", "is_repaired"), [(200, True), (500, False)])
def test_delivered_test_of_a_failing_endpoint_retries_what_waits_for_it(
    client: APIClient, tenant: Tenant, receiver: Receiver, status: int, is_repaired: bool
) -> None:
    receiver.script("/in", scripts.status(status))
    endpoint = make_endpoint(tenant, url=receiver.url("/in"))
    Lane.objects.create(endpoint=endpoint, tenant=tenant, failing_since=timezone.now(), open_count=2)
    post_test(client, endpoint)
    endpoint.refresh_from_db()
    assert (endpoint.repaired_at is not None) == is_repaired


def test_delivered_test_leaves_a_paused_endpoint_paused(client: APIClient, tenant: Tenant, receiver: Receiver) -> None:
    endpoint = make_endpoint(tenant, url=receiver.url("/in"), state="paused")
    assert post_test(client, endpoint)["re_enabled"] is False
    endpoint.refresh_from_db()
    assert endpoint.state == "paused"


def test_suspended_test_sends_one_request_with_one_new_token(
    client: APIClient, tenant: Tenant, receiver: Receiver
) -> None:
    server = TokenServer(receiver)
    endpoint = make_endpoint(tenant, url=receiver.url("/in"), auth=server.credentials())
    shown, suspensions = run_suspended(lambda: post_test(client, endpoint, {"data": {"n": 5}}))
    (arrival,) = receiver.at("/in")
    assert (shown["delivered"], suspensions, len(server.forms)) == (True, 1, 1)
    assert shown["request"]["headers"]["webhook-id"] == arrival.message_id
    post_test(client, endpoint)
    assert len(server.forms) == 1


def test_suspended_test_does_not_enable_an_endpoint_that_has_moved(tenant: Tenant, receiver: Receiver) -> None:
    endpoint = make_endpoint(tenant, url=receiver.url("/in"))
    assert disable(endpoint, "failing")

    def change() -> None:
        HttpSettings.objects.update(url=receiver.url("/other"))

    def send() -> Any:
        return test_delivery.send_test(Endpoint.objects.get())

    sent, _ = run_suspended(send, meanwhile=change)
    assert (sent.outcome.delivered, sent.re_enabled) == (True, False)
    assert Endpoint.objects.get().state == "disabled"


def test_test_after_a_broken_transport_is_sent_by_another(
    tenant: Tenant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: Any) -> Any:
        raise ZeroDivisionError

    endpoint = make_endpoint(tenant, url=receiver.url())
    with monkeypatch.context() as patched:
        patched.setattr("delivery.transports.http.exchange.Exchange.end", break_down)
        with pytest.raises(ZeroDivisionError):
            test_delivery.start_test(endpoint, new_event(endpoint)).result()
    assert test_delivery.start_test(endpoint, new_event(endpoint)).result().test.outcome.delivered


TRANSFORMER = {"input_paths": {"n": "$.data.n"}, "template": '{"text":"<n>"}'}


def test_test_is_sent_as_the_subscription_sends_it(client: APIClient, tenant: Tenant, receiver: Receiver) -> None:
    endpoint = make_endpoint(tenant, url=receiver.url("/"))
    make_subscription(endpoint, event_types=["order.*"], transformer=TRANSFORMER)
    stored = make_event(tenant, type="order.paid", data={"n": "stored"})
    for body in ({"type": "order.paid", "data": {"n": "new"}}, {"event": stored.public_id}, {"type": "user.created"}):
        assert post_test(client, endpoint, body)["delivered"]
    bodies = [json.loads(arrival.body) for arrival in receiver.arrivals]
    assert bodies[:2] == [{"text": "new"}, {"text": "stored"}]
    assert (bodies[2]["type"], bodies[2]["data"]) == ("user.created", {"test": True})


def test_dry_run_shows_the_example_of_the_type_transformed_and_sends_nothing(
    client: APIClient, tenant: Tenant, receiver: Receiver
) -> None:
    endpoint = make_endpoint(tenant, url=receiver.url("/"), headers={"x-key": "confidential"})
    make_subscription(endpoint, event_types=["order.*"], transformer=TRANSFORMER)
    make_event_type(tenant, name="order.paid", examples=[{"n": "sample"}, {"n": "second"}])
    shown = post_test(client, endpoint, {"type": "order.paid", "dry_run": True})
    assert (shown["sent"], shown["delivered"], shown["response"]) == (False, False, None)
    assert shown["request"]["body"] == '{"text":"sample"}'
    assert shown["request"]["headers"]["x-key"] == "***"
    assert shown["request"]["headers"]["webhook-signature"] == "v1,(signed when it is sent)"
    assert receiver.arrivals == []


def test_failing_transformation_names_the_data(client: APIClient, tenant: Tenant) -> None:
    endpoint = make_endpoint(tenant)
    failing = {"input_paths": {"n": "$.data.n"}, "template": "{<n>: 1}"}
    make_subscription(endpoint, event_types=["order.paid"], transformer=failing)
    body = {"type": "order.paid", "data": {"n": 5}, "dry_run": True}
    assert post_test(client, endpoint, body, status=400)["errors"][0]["field"] == "data"
