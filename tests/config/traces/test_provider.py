"""Follow events through the platform by the spans that a real receiver of OTLP gets."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from config.traces.provider import provider
from config.web.application import WebApplication
from delivery import notify
from delivery.models import Event
from delivery.publishing.publisher import publish
from delivery.sending.drain import deliver_due
from tests.config.web.server import send, serving
from tests.factories import make_endpoint, make_key, make_subscription, make_tenant
from tests.factories_receiver import make_source, signed
from tests.otlp_server import OtlpServer, attributes
from tests.receiver import Receiver
from webhooks.kit.tracing.spans import Switch
from webhooks.models import Receipt
from webhooks.processing.process import process_due
from webhooks.version import VERSION

pytestmark = pytest.mark.django_db(transaction=True)
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
BODY = json.dumps({"type": "order.paid", "data": {"id": 1}}).encode()


@pytest.fixture(autouse=True)
def loopback(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as it:
        yield it


class Traces:
    """The spans of this process as a receiver of OTLP has got them."""

    def __init__(self, server: OtlpServer, exported: Any) -> None:
        self._server = server
        self._exported = exported

    def named(self, name: str) -> list[Any]:
        assert self._exported.force_flush()
        return self._server.spans.get(name, [])

    def resource(self) -> dict[str, str]:
        return self._server.resource


@pytest.fixture
def traces(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traces]:
    settings.WAYPOST_TRACES = 1.0
    with OtlpServer() as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", server.url)
        exported = provider("web")
        monkeypatch.setattr(Switch, "is_on", True)
        monkeypatch.setattr(Switch, "tracer", exported.get_tracer("waypost"))
        yield Traces(server, exported)
        exported.shutdown()


def publish_over_http(tenant: Any, **headers: str) -> str:
    """Publish an event by the native view, and return its id."""
    _, key = make_key(tenant)
    given = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **headers}
    with serving(WebApplication(), is_forced=False) as port:
        status, _, body = send(port, "POST", "/api/v1/events/", BODY, headers=given)
    assert status == 202
    return str(json.loads(body)["id"])


def sent_to(receiver: Receiver) -> str:
    """Deliver what is due, and return the trace context of the one request that arrived."""
    deliver_due(idle_timeout=0.05)
    [arrival] = receiver.arrivals
    return str(arrival.headers["traceparent"])


def test_event_is_followed_from_its_request_to_the_attempt(receiver: Receiver, traces: Traces) -> None:
    endpoint = make_subscription(make_endpoint(url=receiver.url("/orders"))).endpoint
    event_id = publish_over_http(endpoint.tenant, traceparent=TRACEPARENT)
    header = sent_to(receiver)
    [published], [attempt] = traces.named("publish"), traces.named("attempt")
    for span in (published, attempt, *traces.named("route"), *traces.named("commit"), *traces.named("wait")):
        assert span.trace_id.hex() == TRACE
    assert published.parent_span_id.hex() == PARENT
    assert [it.parent_span_id for name in ("route", "commit") for it in traces.named(name)] == [published.span_id] * 2
    assert attempt.parent_span_id == published.span_id
    assert header == f"00-{TRACE}-{attempt.span_id.hex()}-01"
    assert [it.parent_span_id for name in ("connect", "wait") for it in traces.named(name)] == [attempt.span_id] * 2
    about = attributes(attempt)
    assert (about["waypost.event"], about["waypost.endpoint"]) == (event_id, endpoint.public_id)
    assert (about["http.response.status_code"], about["waypost.attempt"]) == (200, 1)
    assert traces.resource()["service.version"] == VERSION
    assert published.start_time_unix_nano <= attempt.start_time_unix_nano <= attempt.end_time_unix_nano


def test_failed_attempt_is_a_span_with_an_error(receiver: Receiver, traces: Traces) -> None:
    endpoint = make_subscription(make_endpoint(url=receiver.script("/orders", 503))).endpoint
    publish(endpoint.tenant, [{"type": "order.paid", "data": {}}])
    sent_to(receiver)
    [attempt] = traces.named("attempt")
    assert (attempt.status.code, attributes(attempt)["error.type"]) == (2, "status")


def test_event_without_a_trace_begins_one(receiver: Receiver, traces: Traces) -> None:
    endpoint = make_subscription(make_endpoint(url=receiver.url("/orders"))).endpoint
    publish(endpoint.tenant, [{"type": "order.paid", "data": {}}])
    sent_to(receiver)
    [published], [attempt] = traces.named("publish"), traces.named("attempt")
    assert published.parent_span_id == b""
    assert attempt.trace_id == published.trace_id
    stored = Event.objects.get().traceparent or ""
    assert stored.startswith(f"00-{published.trace_id.hex()}-{published.span_id.hex()}-")


def test_received_message_is_followed_to_what_its_handler_publishes(receiver: Receiver, traces: Traces) -> None:
    endpoint = make_subscription(make_endpoint(url=receiver.url("/orders"))).endpoint
    source = make_source(tenant_id=endpoint.tenant_id, handlers=[{"handler": "publish"}])
    with serving(WebApplication(), is_forced=False) as port:
        headers = {**signed(BODY), "Content-Type": "application/json", "traceparent": TRACEPARENT}
        assert send(port, "POST", f"/in/{source.public_id}/", BODY, headers=headers)[0] < 300
    process_due()
    assert Receipt.objects.get().state == "processed"
    sent_to(receiver)
    for name in ("receive", "verify", "keep", "handle", "publish", "attempt"):
        assert [span.trace_id.hex() for span in traces.named(name)] == [TRACE], name
    [received] = traces.named("receive")
    assert [it.parent_span_id for name in ("verify", "keep") for it in traces.named(name)] == [received.span_id] * 2
    assert traces.named("publish")[0].parent_span_id == traces.named("handle")[0].span_id


@pytest.mark.parametrize("where", ["header", "extension"])
def test_trace_of_the_publisher_is_sent_on_without_spans(receiver: Receiver, where: str) -> None:
    endpoint = make_subscription(make_endpoint(url=receiver.url("/orders"))).endpoint
    if where == "header":
        publish_over_http(endpoint.tenant, traceparent=TRACEPARENT)
    else:
        publish(endpoint.tenant, [{"type": "order.paid", "data": {}, "extensions": {"traceparent": TRACEPARENT}}])
    assert not Switch.is_on
    assert sent_to(receiver) == TRACEPARENT


def test_event_that_is_published_again_in_another_trace_is_a_repeat() -> None:
    tenant = make_tenant()
    event = {"type": "order.paid", "id": "1", "source": "/", "data": {}}
    _, key = make_key(tenant)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    with serving(WebApplication(), is_forced=False) as port:
        body = json.dumps(event).encode()
        for trace, is_repeat in ((TRACEPARENT, False), (TRACEPARENT.replace("c-b", "d-b"), True)):
            found = json.loads(
                send(port, "POST", "/api/v1/events/", body, headers={**headers, "traceparent": trace})[2]
            )
            assert found["duplicate"] is is_repeat
    assert Event.objects.get().traceparent == TRACEPARENT
