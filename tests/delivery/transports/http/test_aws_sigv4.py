"""Endpoints that AWS authenticates, through whole drains: a real server recomputes each signature."""

import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from delivery import notify
from delivery.models import Attempt, Delivery
from delivery.publishing.publisher import publish
from delivery.reading.requests.sent_request import next_request, sent_request
from delivery.sending.drain import deliver_due
from subscriptions.endpoints.endpoints import change_endpoint
from subscriptions.models import Endpoint, Tenant
from tests.aws_signatures import is_signed_for_aws
from tests.factories import make_client, make_endpoint, make_subscription, make_tenant
from tests.receiver import Arrival, Exchange, Receiver, status

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
AUTH = {
    "type": "aws_sigv4",
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "secret_access_key": SECRET,
    "region": "eu-central-1",
}


@pytest.fixture(autouse=True)
def loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)


def verifies(arrival: Arrival, secret: str = SECRET) -> bool:
    return is_signed_for_aws(secret, arrival.path, dict(arrival.headers), arrival.body)


def verify(exchange: Exchange) -> None:
    """Respond as AWS does: 403 to a request whose signature is not the one of its bytes."""
    status(200 if verifies(exchange.server.receiver.arrivals[-1]) else 403)(exchange)


def subscribed(url: str, auth: dict[str, str] = AUTH, **changes: Any) -> Endpoint:
    return make_subscription(make_endpoint(url=url, auth=auth, **changes)).endpoint


def drained(tenant: Tenant) -> Delivery:
    """Publish an event, drain, and return its delivery, or one of them."""
    publish(tenant, [{"type": "order.created", "source": "/o", "subject": "Zoë €", "data": {"total": 5}}])
    deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)
    return Delivery.objects.select_related("event", "endpoint__http").latest("id")


CASES: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "/a": ({}, {}, "content-type;host;webhook-id;webhook-signature;webhook-timestamp;x-amz-date"),
    "/gr%C3%BCn/../a//b?b=%C3%BC&a=1&c": ({"service": "execute-api"}, {"content_mode": "binary"}, "ce-subject"),
    "/temporary": ({"session_token": "FwoGZXIvYXdzEA=="}, {}, "x-amz-security-token"),
    "/bucket/key%20a": ({"service": "s3"}, {}, "x-amz-content-sha256"),
    "/put": ({"service": "events"}, {"headers": {"X-Amz-Target": "AWSEvents.PutEvents", "x-a": "1"}}, "x-amz-target"),
}
"""Members of ``auth``, other fields of the endpoint, and what is signed, by path."""


def test_server_that_recomputes_the_signature_accepts_deliveries(receiver: Receiver) -> None:
    tenant = make_tenant()
    for path, (auth, fields, _) in CASES.items():
        subscribed(receiver.script(path, verify), {**AUTH, **auth}, tenant=tenant, **fields)
    subscribed(receiver.script("/wrong", verify), {**AUTH, "secret_access_key": "wrong"}, tenant=tenant)
    drained(tenant)
    assert set(Attempt.objects.values_list("status")) == {(200,), (403,)}
    assert [it.path for it in receiver.arrivals if not verifies(it)] == ["/wrong"]
    for path, (auth, _, signed) in CASES.items():
        (arrival,) = receiver.at(path)
        authorization = arrival.headers["authorization"]
        assert f"/eu-central-1/{auth.get('service', 'lambda')}/aws4_request" in authorization
        assert signed in authorization
        assert "x-a;" not in authorization  # custom headers are not signed, unless they are those of AWS
        assert not verifies(replace(arrival, body=arrival.body + b" "))


def test_each_attempt_is_signed_at_its_time(receiver: Receiver) -> None:
    endpoint = subscribed(receiver.script("/", 500, 200), retry_plan=[1])
    drained(endpoint.tenant)
    Delivery.objects.update(next_attempt_at=datetime.now(UTC))
    time.sleep(max(0.0, int(receiver.arrivals[0].at) + 1.01 - time.time()))  # dates have seconds
    drained(endpoint.tenant)
    first, *others = receiver.arrivals
    assert others
    assert all(map(verifies, receiver.arrivals))
    assert first.headers["x-amz-date"] < others[-1].headers["x-amz-date"]


def test_new_access_key_signs_the_next_attempt(receiver: Receiver) -> None:
    endpoint = subscribed(receiver.url("/"))
    drained(endpoint.tenant)
    change_endpoint(endpoint, {"auth": {**AUTH, "secret_access_key": "another"}})
    drained(endpoint.tenant)
    before, after = receiver.arrivals
    assert (verifies(before), verifies(after), verifies(after, "another")) == (True, False, True)


def test_secrets_are_masked_wherever_a_request_is_shown(receiver: Receiver) -> None:
    endpoint = subscribed(receiver.url("/"), {**AUTH, "session_token": "FwoGZXIvYXdzEA=="})
    delivery = drained(endpoint.tenant)
    client = make_client(endpoint.tenant)
    paths = [f"deliveries/{delivery.public_id}/attempts/1/", f"deliveries/{delivery.public_id}/request/"]
    shown = [client.get(f"/api/v1/{path}") for path in (*paths, f"endpoints/{endpoint.public_id}/")]
    for body in ({}, {"dry_run": True}):
        shown.append(client.post(f"/api/v1/endpoints/{endpoint.public_id}/test/", body, format="json"))
    event = {"type": "order.created", "data": {}}
    dry_run = {"subscription": endpoint.subscriptions.get().public_id, "event": event}
    shown.append(client.post("/api/v1/subscriptions/test/", dry_run, format="json"))
    for response in shown:
        assert response.status_code in (200, 201), response.content
        for hidden in (SECRET, "FwoGZXIvYXdzEA==", "Signature="):
            assert hidden not in response.content.decode()
    request = shown[0].json()["request"]
    assert (request["headers"]["authorization"], request["headers"]["x-amz-security-token"]) == ("***", "***")
    assert request["headers"]["x-amz-date"] == receiver.arrivals[0].headers["x-amz-date"]


def test_curl_command_signs_by_itself(receiver: Receiver) -> None:
    endpoint = subscribed(receiver.url("/"))
    delivery = drained(endpoint.tenant)
    request = sent_request(delivery, Attempt.objects.get())
    assert request is not None
    command = str(request.curl)
    assert "--aws-sigv4 aws:amz:eu-central-1:lambda --user 'AKIAIOSFODNN7EXAMPLE:***'" in command
    assert "authorization" not in command
    command = command.replace("***", SECRET)
    subprocess.run(["sh", "-c", f"{command} --silent"], check=True)
    sent, repeated = receiver.arrivals
    assert verifies(repeated)
    own = ("authorization", "x-amz-date", "accept")
    without = [{k.lower(): v for k, v in it.headers.items() if k.lower() not in own} for it in (sent, repeated)]
    assert without[0] == without[1]


def test_request_after_a_change_of_the_access_key_leaves_out_what_the_key_set(receiver: Receiver) -> None:
    endpoint = subscribed(receiver.url("/"))
    drained(endpoint.tenant)
    change_endpoint(endpoint, {"auth": {**AUTH, "secret_access_key": "another"}})
    delivery = Delivery.objects.select_related("event", "endpoint__http").get()
    request = sent_request(delivery, Attempt.objects.get())
    assert request is not None
    assert (request.changed, request.curl) == (("credentials",), None)
    assert not {"authorization", "x-amz-date"} & set(request.headers or {})
    upcoming = next_request(delivery)
    assert upcoming is not None
    assert "--aws-sigv4" in str(upcoming.curl)
