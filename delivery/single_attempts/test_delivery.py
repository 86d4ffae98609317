"""Send one test delivery to an endpoint now, for its developer to see: the request, the response, and the timing.

Composed, signed, guarded and sent by what sends real deliveries (``compose``, ``HttpSender``), with the endpoint's
current settings. Nothing is recorded: a test is not retried and counts for no breaker and no statistics. But an
endpoint that was disabled because it failed is enabled again when its test succeeds. The endpoint's credentials are
masked. The body is what the subscription sends: transformed, or with a link to the data. A test of a forbidden address
returns the same result whatever the reason, without timing, so that a tenant cannot map our network with it.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from delivery.models import Event as StoredEvent
from delivery.single_attempts.test_event import TEST_TYPE, TestEvent, as_subscribed, new_event, stored_event
from delivery.single_attempts.test_sender import test_sender
from delivery.sql.claim import Claimed
from delivery.transports.http.compose import compose
from delivery.transports.http.request import Request, ResponseTrace
from delivery.transports.http.shown_request import masked_headers, sent_headers
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.registry import engine_of
from delivery.transports.shown_request import shown_request
from delivery.transports.transport import NotSent
from subscriptions.endpoints.destinations.registry import HTTP
from subscriptions.endpoints.http.credentials import ClientCredentials
from subscriptions.endpoints.http.oauth_tokens import (
    BearerToken,
    TokenRequestFailed,
    start_token_request,
    store_token,
    stored_tokens,
)
from subscriptions.endpoints.state import enable_after_successful_test
from subscriptions.errors import StateConflict
from subscriptions.models import Endpoint
from subscriptions.routing.targets import DeliveryTarget, load_targets
from webhooks.kit.suspend import wait_for
from webhooks.outgoing.event_loop import event_loop
from webhooks.outgoing.resolver import too_many_lookups
from webhooks.wire.ids import new_id

LATE_AFTER = 2.0  # seconds beyond its timeout after which a test is no longer waited for


@dataclass(frozen=True, slots=True)
class TestDelivery:
    """Hold what was sent and what came back.

    Request ``headers`` that may hold credentials are masked. ``data``: that of a new event, as given. ``re_enabled``:
    the endpoint had been disabled for its failures, and is active again. ``is_sent``: False for a dry run.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    outcome: Outcome
    address: str
    response_headers: list[tuple[str, str]] = field(default_factory=list)
    timing: Mapping[str, int] = field(default_factory=dict)
    data: Any = None
    re_enabled: bool = False
    is_sent: bool = True
    method: str = "POST"

    @property
    def delivered(self) -> bool:
        """Whether it was sent and accepted."""
        return self.is_sent and self.outcome.delivered


def send_test(
    endpoint: Endpoint,
    *,
    event: StoredEvent | None = None,
    type: str = TEST_TYPE,
    data: Any = None,
    dry_run: bool = False,
) -> TestDelivery:
    """Send a stored event, or a new one of this type and data that is not stored, as the subscription would send it.

    ``dry_run``: compose the request, without a signature, and send nothing. So it is for an endpoint whose messages are
    pulled: nothing can be sent there.

    Suspends the request that calls it for as long as the endpoint takes, up to its own timeout. Raises
    Endpoint.DoesNotExist if it was deleted, InvalidEvent for a type or data that no event can have, Invalid if its
    transformation fails, StateConflict for an endpoint that has to be verified first, LimitReached if the tenant has
    too many tests, lookups or token requests in progress.
    """
    if dry_run or endpoint.is_pulled:
        return preview_test(endpoint, as_subscribed(endpoint, _event(endpoint, event, type, data)))
    if endpoint.state == Endpoint.State.UNVERIFIED:
        raise StateConflict("state", "The endpoint is not verified; POST to its verification/.")
    test = _send_started(endpoint, lambda: as_subscribed(endpoint, _event(endpoint, event, type, data)))
    is_current = test.outcome.delivered and test.address == endpoint.address
    return replace(test, re_enabled=is_current and enable_after_successful_test(endpoint))


def send_any(endpoint: Endpoint, *, type: str, data: Any) -> TestDelivery:
    """Send a new event unchanged, also to endpoints that are not verified, and without enabling them."""
    return _send_started(endpoint, lambda: new_event(endpoint, type, data), data)


def preview_test(endpoint: Endpoint, event: TestEvent) -> TestDelivery:
    """Return the request that a test would send, unsigned. Raises Endpoint.DoesNotExist if the endpoint was deleted."""
    target, now = _target(endpoint), time.time()
    claimed = _claimed(endpoint, event)
    request = shown_request(claimed, target, now, is_signed=False)
    if isinstance(request, NotSent):
        return replace(_not_sent(target, claimed, request.failure), is_sent=False)
    outcome = Outcome(now, 0)
    headers = sent_headers(request.lines)
    return TestDelivery(
        request.url, headers, request.body, outcome, target.address, is_sent=False, method=request.method
    )


def _event(endpoint: Endpoint, event: StoredEvent | None, type: str, data: Any) -> TestEvent:
    return new_event(endpoint, type, data) if event is None else stored_event(event)


def _send_started(endpoint: Endpoint, make: Callable[[], TestEvent], data: Any = None) -> TestDelivery:
    sent = wait_for(lambda: start_test(endpoint, make(), data))
    if sent.new_token is not None:
        store_token(endpoint.pk, *sent.new_token)
    return sent.test


@dataclass(frozen=True, slots=True)
class SentTest:
    """Hold a test and the token that was requested for it, with the credentials it was issued for."""

    test: TestDelivery
    new_token: tuple[ClientCredentials, BearerToken] | None = None


def start_test(endpoint: Endpoint, event: TestEvent, data: Any = None) -> "Future[SentTest]":
    """Start a test; its future raises TooManyTests. ``data``: returned with the result.

    Called once, although a suspended request runs twice: what must not differ between the runs is made for this call.
    """
    target = _target(endpoint)
    oauth = target.http and target.http.oauth if target.kind == HTTP else None
    stored = stored_tokens({target.endpoint_id: oauth}).get(target.endpoint_id) if oauth else None
    work = _run(target, _claimed(endpoint, event), stored, data)
    return asyncio.run_coroutine_threadsafe(work, event_loop())


async def _run(target: DeliveryTarget, claimed: Claimed, bearer: BearerToken | None, data: Any) -> SentTest:
    with test_sender().place(target.tenant_id):
        oauth = target.http and target.http.oauth if target.kind == HTTP else None  # an engine gets its own tokens
        new_token = None
        if oauth and bearer is None:
            try:
                bearer = await asyncio.wrap_future(start_token_request(oauth, share=target.tenant_id))
            except TokenRequestFailed:
                return SentTest(_not_sent(target, claimed, Failure.CREDENTIALS))
            new_token = oauth, bearer
        is_http = target.kind == HTTP
        test = await (
            _send(target, claimed, bearer.text if bearer else "") if is_http else _send_by_kind(target, claimed)
        )
        return SentTest(replace(test, data=data), new_token)


async def _send(target: DeliveryTarget, claimed: Claimed, bearer: str) -> TestDelivery:
    trace = ResponseTrace()
    request = compose(claimed, target, time.time(), bearer)
    if isinstance(request, NotSent):
        return _not_sent(target, claimed, request.failure)
    outcome = await _outcome(InFlight(claimed, new_id(), (), new_id(), target.address), request.traced(trace))
    if outcome.not_attempted and outcome.failure is Failure.DNS:
        raise too_many_lookups()
    if outcome.failure is Failure.FORBIDDEN:
        return _not_sent(target, claimed, Failure.FORBIDDEN)
    return TestDelivery(
        request.url,
        masked_headers(request.headers),
        request.body,
        outcome,
        target.address,
        trace.headers,
        trace.timing,
    )


async def _send_by_kind(target: DeliveryTarget, claimed: Claimed) -> TestDelivery:
    """Send by the engine of a kind that is not ``http``."""
    now = time.time()
    prepared = test_sender().prepare(engine_of(target.kind), claimed, target, now)
    if isinstance(prepared, NotSent):
        return _not_sent(target, claimed, prepared.failure)
    attempt = InFlight(claimed, new_id(), (), new_id(), target.address, target.kind)
    sending = asyncio.wrap_future(test_sender().send_by(engine_of(target.kind), attempt, prepared))
    wait = target.timeout_ms / 1000 + LATE_AFTER + (target.batch.window_seconds if target.batch else 0.0)
    try:
        outcome = await asyncio.wait_for(sending, wait)
    except TimeoutError:
        outcome = Outcome(now, target.timeout_ms, failure=Failure.TIMEOUT)
    if outcome.failure is Failure.FORBIDDEN:
        return _not_sent(target, claimed, Failure.FORBIDDEN)
    shown = shown_request(claimed, target, now, is_signed=True)
    if isinstance(shown, NotSent):
        return _not_sent(target, claimed, shown.failure)
    return TestDelivery(shown.url, shown.headers, shown.body, outcome, target.address, method=shown.method)


async def _outcome(attempt: InFlight, request: Request) -> Outcome:
    """Send one request and return its outcome."""
    sending = asyncio.wrap_future(test_sender().send(attempt, request))
    try:
        return await asyncio.wait_for(sending, request.timeout_ms / 1000 + LATE_AFTER)
    except TimeoutError:
        return Outcome(time.time(), request.timeout_ms, failure=Failure.TIMEOUT)


def _not_sent(target: DeliveryTarget, claimed: Claimed, failure: Failure) -> TestDelivery:
    outcome = Outcome(time.time(), 0, failure=failure)
    return TestDelivery(target.address, {}, claimed.body, outcome, target.address)


def _target(endpoint: Endpoint) -> DeliveryTarget:
    target = load_targets([endpoint.id]).get(endpoint.id)
    if target is None:
        raise Endpoint.DoesNotExist
    return target


def _claimed(endpoint: Endpoint, event: TestEvent) -> Claimed:
    return Claimed(
        id=new_id(),
        endpoint_id=endpoint.id,
        event_id=event.key,
        attempts=0,
        step=0,
        due_at=datetime.now(UTC),
        body=event.body,
        rendered=event.rendered,
        content_type=event.content_type,
    )
