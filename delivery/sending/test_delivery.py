"""Send one delivery to an endpoint now, for its developer to see: the request, the answer, and where the time went.

Composed, signed, guarded and sent by what sends real deliveries (``compose``, ``send``), with the endpoint as it is
now. Nothing is owed and nothing is recorded: it is not retried, and counts for no breaker and no statistics. But an
endpoint that was disabled because it failed, and takes its test, is enabled by that. What endpoints
know us by is not shown. Whatever keeps an address from being called, the answer is one and the same, and
tells no time: a tenant cannot map our network by trying.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from selectors import EVENT_READ, DefaultSelector
from threading import BoundedSemaphore
from typing import Any
from uuid import UUID

from django.conf import settings

from delivery.models import Event as StoredEvent
from delivery.sql.claim import Claimed
from delivery.transports.http.compose import NothingToSendWith, compose
from delivery.transports.http.exchange import Heard, Request
from delivery.transports.http.sender import Sender
from delivery.transports.outcome import Failure, Outcome
from subscriptions.endpoints.endpoints import revive
from subscriptions.endpoints.oauth_tokens import NoToken, obtain
from subscriptions.errors import NotNow
from subscriptions.models import Endpoint
from subscriptions.routing.routes import Target, targets
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.cloudevents.json_format import write_structured
from webhooks.wire.ids import new_id, public

__all__ = ["TEST_TYPE", "Busy", "Trial", "send_test", "try_out"]

TEST_TYPE = "waypost.test"
AT_ONCE = 3  # tests under way in one process: each keeps a thread of the web server until it ends
LATE = 2.0  # seconds beyond its deadline after which an attempt is not waited for
MASK = "***"
OURS = ("webhook-", "ce-", "content-", "user-agent", "accept", "expect", "traceparent", "tracestate")

_room = BoundedSemaphore(AT_ONCE)


class Busy(Exception):
    """As many tests as may be are under way in this process."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What was sent and what came back. ``headers`` of the request: values that are not ours are masked. ``revived``:
    the endpoint had been disabled for its failures, and is active again."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    outcome: Outcome
    answer_headers: list[tuple[str, str]] = field(default_factory=list)
    timing: Mapping[str, int] = field(default_factory=dict)
    revived: bool = False


def send_test(
    endpoint: Endpoint, *, event: StoredEvent | None = None, type: str = TEST_TYPE, data: Any = None
) -> Trial:
    """Send this stored event, or a new one of this type and data that is kept nowhere.

    Takes as long as the endpoint does, up to its own timeout. Raises Busy, Endpoint.DoesNotExist if it was deleted,
    InvalidEvent for a type or data that no event can have, NotNow for one that has to consent first.
    """
    if endpoint.state == Endpoint.State.UNVERIFIED:
        raise NotNow("state", "The endpoint has not consented yet: POST to its consent/.")
    trial = try_out(endpoint, event=event, type=type, data=data)
    return replace(trial, revived=trial.outcome.acknowledged and revive(endpoint))


def try_out(endpoint: Endpoint, *, event: StoredEvent | None = None, type: str = TEST_TYPE, data: Any = None) -> Trial:
    """The same, whether or not it has consented."""
    event_id = event.id if event else new_id()
    claimed = _claimed(endpoint, bytes(event.body) if event else _made(endpoint, event_id, type, data), event_id)
    target = targets([endpoint.id]).get(endpoint.id)
    if target is None:
        raise Endpoint.DoesNotExist
    with _one_of_few():
        return _tried(target, claimed)


def _tried(target: Target, claimed: Claimed) -> Trial:
    heard = Heard()
    try:
        bearer = obtain(target.endpoint_id, target.oauth).text if target.oauth else ""
        request = compose(claimed, target, int(time.time()), None, bearer)
    except NoToken:
        return _unsent(target, claimed, Failure.CREDENTIALS)
    except NothingToSendWith as refusal:
        return _unsent(target, claimed, refusal.failure)
    outcome = _sent(request.heard_by(heard))
    if outcome.failure is Failure.FORBIDDEN:
        return _unsent(target, claimed, Failure.FORBIDDEN)
    return Trial(target.url, _shown(request.headers), request.body, outcome, heard.headers, heard.timing)


def _sent(request: Request) -> Outcome:
    deadline = time.monotonic() + request.timeout_ms / 1000 + LATE
    with Sender(allow_http=settings.WAYPOST_ALLOW_HTTP) as sender, DefaultSelector() as selector:
        selector.register(sender, EVENT_READ)
        sender.submit([request])
        while time.monotonic() < deadline:
            selector.select(max(0.0, deadline - time.monotonic()))
            for _, outcome in sender.take():
                return outcome
    return Outcome(time.time(), request.timeout_ms, failure=Failure.TIMEOUT)


def _unsent(target: Target, claimed: Claimed, failure: Failure) -> Trial:
    return Trial(target.url, {}, claimed.body, Outcome(time.time(), 0, failure=failure))


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


def _made(endpoint: Endpoint, event_id: UUID, type: str, data: Any) -> bytes:
    attributes = {
        "specversion": "1.0",
        "id": public("evt", event_id),
        "source": f"urn:waypost:{public('tnt', endpoint.tenant_id)}",
        "type": type,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return write_structured(Event.of(attributes, {"test": True} if data is None else data))


def _shown(lines: list[str]) -> dict[str, str]:
    pairs = [(name.strip(), value.strip()) for name, colon, value in (line.partition(":") for line in lines) if colon]
    return {name: value if name.lower().startswith(OURS) else MASK for name, value in pairs if value}


@contextmanager
def _one_of_few() -> Iterator[None]:
    if not _room.acquire(blocking=False):
        raise Busy
    try:
        yield
    finally:
        _room.release()
