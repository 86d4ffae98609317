"""Showing the request of an attempt: composed again, byte for byte as it was sent."""

import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from delivery.models import Attempt, Delivery
from delivery.reading.requests import sent_request as module
from delivery.reading.requests.sent_request import next_request, sent_request
from subscriptions.endpoints.endpoints import change_endpoint
from subscriptions.endpoints.signing_secrets import rotate_secret
from subscriptions.models import Endpoint, Tenant
from tests.delivery.factories import make_attempt, make_delivery, make_event
from tests.factories import make_endpoint, make_tenant
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LATER = timedelta(seconds=60)


def make_rows(tenant: Tenant | None = None, **fields: object) -> tuple[Delivery, Attempt]:
    """Create a delivery with an attempt of a minute ago."""
    endpoint = make_endpoint(tenant or make_tenant(), **fields)
    at = datetime.now(UTC) - LATER
    delivery = make_delivery(make_event(endpoint.tenant, created_at=at), endpoint)
    return fresh(delivery), make_attempt(delivery, started_at=at)


def fresh(delivery: Delivery) -> Delivery:
    return Delivery.objects.select_related("event", "endpoint__http").get(pk=delivery.pk)


def test_request_has_the_signature_of_its_time_and_masked_credentials() -> None:
    delivery, attempt = make_rows(
        url="https://example.com/h?a=1",
        secret=SECRET,
        headers={"x-key": "confidential"},
        auth={"type": "bearer", "token": "t"},
    )
    request = sent_request(delivery, attempt)
    assert request is not None
    assert request.headers is not None
    assert request.body == bytes(delivery.event.body)
    assert (request.url, request.changed) == ("https://example.com/h?a=1", ())
    assert (request.headers["host"], request.headers["content-length"]) == ("example.com", str(len(request.body)))
    assert (request.headers["x-key"], request.headers["authorization"]) == ("***", "***")
    assert request.signed_at == int(attempt.started_at.timestamp()) == int(request.headers["webhook-timestamp"])
    Webhook(SECRET).verify(request.body, request.headers)
    assert "confidential" not in str(request.curl)


def test_request_of_a_transformed_delivery_has_the_transformed_body() -> None:
    delivery, attempt = make_rows()
    Delivery.objects.filter(pk=delivery.pk).update(body=b"Total: 5")
    request = sent_request(fresh(delivery), attempt)
    assert request is not None
    assert request.headers is not None
    assert (request.body, request.headers["content-type"]) == (b"Total: 5", "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"""{"a": "it's", "b": "$HOME `ls` \\n @x"}""", "application/json"), (b"@f\xff\x00\n\n", "application/x-bytes")],
    ids=["text", "bytes"],
)
def test_curl_command_sends_the_same_bytes_and_headers(body: bytes, content_type: str) -> None:
    with Receiver() as receiver:
        delivery, attempt = make_rows(url=receiver.url("/a/../b[1]?q={x}"), secret=SECRET)
        Delivery.objects.filter(pk=delivery.pk).update(body=body, content_type=content_type)
        request = sent_request(fresh(delivery), attempt)
        assert request is not None
        subprocess.run(["sh", "-c", f"{request.curl} --silent"], check=True)
        [arrival] = receiver.arrivals
    assert (arrival.path, arrival.body) == ("/a/../b[1]?q={x}", body)
    assert {name.lower(): value for name, value in arrival.headers.items()} == request.headers


@pytest.mark.parametrize(
    ("change", "name", "unknown"),
    [
        ({"url": "https://other.example.com/"}, "url", "host"),
        ({"headers": {"x-other": "1"}}, "credentials", "x-key"),
        ({"content_mode": "binary"}, "content_mode", ""),
    ],
    ids=["url", "credentials", "content_mode"],
)
def test_request_leaves_out_what_was_changed_since_and_names_it(
    change: dict[str, object], name: str, unknown: str
) -> None:
    delivery, attempt = make_rows(headers={"x-key": "1"})
    change_endpoint(delivery.endpoint, dict(change))
    request = sent_request(fresh(delivery), attempt)
    assert request is not None
    assert (request.changed, request.curl) == ((name,), None)
    assert (request.url is None) == (name == "url")
    assert (request.headers is None) == (request.body is None) == (name == "content_mode")
    assert unknown not in (request.headers or {})


@pytest.mark.parametrize("overlap", [0, 3_600])
def test_request_is_not_signed_where_secrets_were_changed_since(overlap: int) -> None:
    delivery, attempt = make_rows()
    rotate_secret(delivery.endpoint, overlap)
    request = sent_request(fresh(delivery), attempt)
    assert request is not None
    assert request.changed == ("secrets",)
    assert "webhook-signature" not in (request.headers or {})


def test_change_of_a_description_leaves_the_request_exact() -> None:
    delivery, attempt = make_rows(headers={"x-key": "1"})
    change_endpoint(delivery.endpoint, {"description": "New", "headers": {"x-key": "***"}})
    request = sent_request(fresh(delivery), attempt)
    assert request is not None
    assert request.changed == ()


def test_stale_save_of_an_endpoint_keeps_the_time_of_the_last_change_of_secrets() -> None:
    endpoint = make_endpoint()
    stale = Endpoint.objects.get(pk=endpoint.pk)
    assert stale.secrets_changed_at is None
    rotate_secret(endpoint)
    stale.save()
    assert Endpoint.objects.get(pk=endpoint.pk).secrets_changed_at is not None


def test_next_request_has_the_current_url_and_no_signature() -> None:
    delivery, _ = make_rows()
    change_endpoint(delivery.endpoint, {"url": "https://other.example.com/"})
    request = next_request(fresh(delivery))
    assert request is not None
    assert request.headers is not None
    assert (request.url, request.changed) == ("https://other.example.com/", ())
    assert request.headers["webhook-signature"] == "v1,(signed when it is sent)"


@pytest.mark.parametrize("error", module.NOTHING_SENT)
def test_attempt_that_sent_nothing_has_no_request(error: str) -> None:
    delivery, attempt = make_rows()
    attempt.error = error
    assert sent_request(delivery, attempt) is None


def test_erased_event_has_no_request() -> None:
    delivery, attempt = make_rows()
    delivery.event.payload_deleted_at = datetime.now(UTC)
    delivery.event.save()
    assert sent_request(delivery, attempt) is None
    assert next_request(delivery) is None
