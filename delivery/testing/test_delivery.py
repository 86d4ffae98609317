"""Send one test delivery to an endpoint now, for its developer to see: the request, the response, and the timing.

Composed, signed, guarded and sent by what sends real deliveries (``compose``, ``HttpSender``), with the endpoint's
current settings. Nothing is recorded: a test is not retried and counts for no breaker and no statistics. But an
endpoint that was disabled because it failed is enabled again when its test succeeds. The endpoint's credentials are
masked. A test of a forbidden address returns the same result whatever the reason, without timing, so that a tenant
cannot map our network with it.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from selectors import EVENT_READ, DefaultSelector
from threading import BoundedSemaphore
from typing import Any
from uuid import UUID

from django.conf import settings

from delivery.models import Event as StoredEvent
from delivery.sql.claim import Claimed
from delivery.transports.http.compose import compose
from delivery.transports.http.exchange import Request, ResponseTrace
from delivery.transports.http.sender import HttpSender
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.transport import NotSent
from subscriptions.endpoints.http.oauth_tokens import TokenRequestFailed, get_token
from subscriptions.endpoints.state import enable_after_successful_test
from subscriptions.errors import StateConflict
from subscriptions.models import Endpoint
from subscriptions.routing.targets import DeliveryTarget, load_targets
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import write_structured
from webhooks.wire.ids import new_id, public

TEST_TYPE = "waypost.test"
MAX_CONCURRENT = 3  # tests at once in one process: each occupies a thread of the web server until it ends
LATE_AFTER = 2.0  # seconds beyond its timeout after which a test is no longer waited for
MASK = "***"
UNMASKED = ("webhook-", "ce-", "content-", "user-agent", "accept", "expect", "traceparent", "tracestate")

running_tests = BoundedSemaphore(MAX_CONCURRENT)


class Busy(Exception):
    """Signal that MAX_CONCURRENT tests are running in this process."""


@dataclass(frozen=True, slots=True)
class TestDelivery:
    """Hold what was sent and what came back.

    Request ``headers`` that may hold credentials are masked. ``re_enabled``: the endpoint had been disabled for its
    failures, and is active again.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    outcome: Outcome
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    timing: Mapping[str, int] = field(default_factory=dict)
    re_enabled: bool = False


def send_test(
    endpoint: Endpoint, *, event: StoredEvent | None = None, type: str = TEST_TYPE, data: Any = None
) -> TestDelivery:
    """Send a stored event, or a new one of this type and data that is not stored.

    Takes as long as the endpoint does, up to its own timeout. Raises Busy, Endpoint.DoesNotExist if it was deleted,
    InvalidEvent for a type or data that no event can have, StateConflict for an endpoint that has to be verified first.
    """
    if endpoint.state == Endpoint.State.UNVERIFIED:
        raise StateConflict("state", "The endpoint is not verified; POST to its verification/.")
    test = send_any(endpoint, event=event, type=type, data=data)
    return replace(test, re_enabled=test.outcome.delivered and enable_after_successful_test(endpoint))


def send_any(
    endpoint: Endpoint, *, event: StoredEvent | None = None, type: str = TEST_TYPE, data: Any = None
) -> TestDelivery:
    """Send a test as ``send_test`` does, but also to endpoints that are not verified, and without enabling them."""
    event_id = event.id if event else new_id()
    body = bytes(event.body) if event else _new_event(endpoint, event_id, type, data)
    target = load_targets([endpoint.id]).get(endpoint.id)
    if target is None:
        raise Endpoint.DoesNotExist
    with _limited():
        return _send(target, _claimed(endpoint, body, event_id))


def _send(target: DeliveryTarget, claimed: Claimed) -> TestDelivery:
    trace = ResponseTrace()
    oauth = target.http and target.http.oauth
    try:
        bearer = get_token(target.endpoint_id, oauth).text if oauth else ""
    except TokenRequestFailed:
        return _not_sent(target, claimed, Failure.CREDENTIALS)
    request = compose(claimed, target, time.time(), bearer)
    if isinstance(request, NotSent):
        return _not_sent(target, claimed, request.failure)
    outcome = send_request(InFlight(claimed, new_id(), (), new_id(), target.address), request.traced(trace))
    if outcome.failure is Failure.FORBIDDEN:
        return _not_sent(target, claimed, Failure.FORBIDDEN)
    return TestDelivery(request.url, _masked(request.headers), request.body, outcome, trace.headers, trace.timing)


def send_request(attempt: InFlight, request: Request) -> Outcome:
    """Send one request and wait for its outcome."""
    give_up_at = time.monotonic() + request.timeout_ms / 1000 + LATE_AFTER
    with closing(HttpSender(allow_http=settings.WAYPOST_ALLOW_HTTP)) as sender, DefaultSelector() as selector:
        selector.register(sender, EVENT_READ)
        sender.submit([(attempt, request)])
        while time.monotonic() < give_up_at:
            selector.select(max(0.0, give_up_at - time.monotonic()))
            for _, outcome in sender.take():
                return outcome
    return Outcome(time.time(), request.timeout_ms, failure=Failure.TIMEOUT)


def _not_sent(target: DeliveryTarget, claimed: Claimed, failure: Failure) -> TestDelivery:
    return TestDelivery(target.address, {}, claimed.body, Outcome(time.time(), 0, failure=failure))


def _claimed(endpoint: Endpoint, body: bytes, event_id: UUID) -> Claimed:
    return Claimed(
        id=new_id(),
        endpoint_id=endpoint.id,
        event_id=event_id,
        attempts=0,
        step=0,
        due_at=datetime.now(UTC),
        body=body,
        rendered=False,
    )


def _new_event(endpoint: Endpoint, event_id: UUID, type: str, data: Any) -> bytes:
    attributes = {
        "specversion": "1.0",
        "id": public("evt", event_id),
        "source": f"urn:waypost:{public('tnt', endpoint.tenant_id)}",
        "type": type,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return write_structured(Event.of(attributes, {"test": True} if data is None else data))


def _masked(lines: list[str]) -> dict[str, str]:
    pairs = [(name.strip(), value.strip()) for name, colon, value in (line.partition(":") for line in lines) if colon]
    return {name: value if name.lower().startswith(UNMASKED) else MASK for name, value in pairs if value}


@contextmanager
def _limited() -> Iterator[None]:
    if not running_tests.acquire(blocking=False):
        raise Busy
    try:
        yield
    finally:
        running_tests.release()
