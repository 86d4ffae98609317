"""A second transport behind the seam, through whole drains: its outcomes alone decide what happens to deliveries."""

import os
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery import notify
from delivery.lanes.concurrency import INITIAL_WINDOW
from delivery.models import Attempt, DeadLetter, Delivery, Event, Lane
from delivery.publishing.publisher import publish
from delivery.sending.drain import deliver_due
from delivery.sql.claim import Claimed
from delivery.transports.in_flight import InFlight
from delivery.transports.outcome import Failure, Outcome
from delivery.transports.registry import TRANSPORTS
from delivery.transports.transport import NotSent, Transport
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.models import Endpoint
from subscriptions.routing.targets import DeliveryTarget
from tests.factories import make_endpoint, make_subscription

pytestmark = pytest.mark.django_db(transaction=True)


class MemoryTransport:
    """Keep what is sent in a list, and end each attempt at once with the outcome that was set."""

    def __init__(self, **meaning: Any) -> None:
        self.meaning = meaning
        self.sent: list[bytes] = []
        self._ended: list[tuple[InFlight, Outcome]] = []
        self._reader, self._writer = os.pipe()

    def prepare(self, claimed: Claimed, target: DeliveryTarget, now: float) -> bytes | NotSent:
        assert now > 0
        return NotSent(Failure.CREDENTIALS) if target.ordering == "endpoint" else claimed.body

    def submit(self, attempts: Sequence[tuple[InFlight, bytes]]) -> None:
        for attempt, body in attempts:
            self.sent.append(body)
            self._ended.append((attempt, Outcome(time.time(), 1, **self.meaning)))
            os.write(self._writer, b"!")

    def advance(self) -> None:
        """Do nothing: attempts end when they are submitted."""

    def maintain(self) -> None:
        """Do nothing: no database is needed."""

    def seconds_to_timer(self) -> float | None:
        return 0.0 if self._ended else None

    def take(self) -> list[tuple[InFlight, Outcome]]:
        ended, self._ended = self._ended, []
        os.read(self._reader, len(ended)) if ended else None
        return ended

    def fileno(self) -> int:
        return self._reader

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)
    return make_subscription(make_endpoint(kind="memory", retry_plan=[1000])).endpoint


def drain(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, count: int = 1, **meaning: Any) -> MemoryTransport:
    """Publish ``count`` events, and drain them through a transport whose attempts end with this meaning."""
    transport: Transport[bytes] = (memory := MemoryTransport(**meaning))
    monkeypatch.setitem(TRANSPORTS, "memory", lambda clock: transport)
    publish(endpoint.tenant, [{"type": "order.created", "data": n} for n in range(count)])
    deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)
    return memory


def test_drain_with_a_delivered_outcome_delivers(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = drain(endpoint, monkeypatch, 20)
    assert len(memory.sent) == Attempt.objects.count() == 20
    assert set(Delivery.objects.values_list("state", "attempts")) == {("delivered", 1)}


def test_drain_with_a_gone_outcome_disables_the_endpoint(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    drain(endpoint, monkeypatch, failure=Failure.STATUS, gone=True)
    endpoint.refresh_from_db()
    assert (endpoint.state, endpoint.disabled_reason) == ("disabled", Endpoint.DisabledReason.RESPONDED_410)
    assert DeadLetter.objects.get().cause == DeadLetter.Cause.RESPONDED_410
    assert Delivery.objects.get().state == "dead"


def test_drain_with_an_overloaded_outcome_halves_the_window_and_waits(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain(endpoint, monkeypatch, failure=Failure.CONNECT, overloaded=True, retry_after=999_999.0)
    delivery = Delivery.objects.get()
    assert Lane.objects.get().concurrency == INITIAL_WINDOW // 2
    assert delivery.state == "pending"
    assert delivery.next_attempt_at is not None
    assert delivery.next_attempt_at > timezone.now() + timedelta(seconds=900)


def test_drain_with_a_delivery_that_cannot_be_prepared_records_the_failure(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    Endpoint.objects.update(ordering="endpoint")
    memory = drain(endpoint, monkeypatch)
    assert memory.sent == []
    assert (Attempt.objects.get().error, Delivery.objects.get().state) == ("credentials", "pending")


def test_drain_with_an_exception_while_a_delivery_is_prepared_fails_that_delivery_only(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(MemoryTransport):
        def prepare(self, claimed: Claimed, target: DeliveryTarget, now: float) -> bytes | NotSent:
            if b'"data":1}' in claimed.body:
                raise LookupError("a defect")
            return super().prepare(claimed, target, now)

    transport = Failing()
    monkeypatch.setitem(TRANSPORTS, "memory", lambda clock: transport)
    publish(endpoint.tenant, [{"type": "order.created", "data": n} for n in range(3)])
    deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)
    assert sorted(Attempt.objects.values_list("error", flat=True)) == ["", "", "internal"]
    assert sorted(Delivery.objects.values_list("state", flat=True)) == ["delivered", "delivered", "pending"]


def test_deliveries_that_die_without_an_attempt_are_reported(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_subscription(make_endpoint(endpoint.tenant), event_types=["waypost.delivery.dead"])
    publish(endpoint.tenant, [{"type": "order.created", "data": n} for n in range(2)])
    delete_endpoint(endpoint)
    deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)
    assert set(DeadLetter.objects.values_list("cause", "attempts")) == {("endpoint_deleted", 0)}
    assert Event.objects.filter(type="waypost.delivery.dead").count() == 2


def test_drain_with_an_unknown_kind_fails_that_delivery_only(endpoint: Endpoint) -> None:
    publish(endpoint.tenant, [{"type": "order.created"}])
    deliver_due(idle_timeout=0.1, seconds=60.0, stopping=lambda: False)
    assert (Attempt.objects.get().error, Delivery.objects.get().state) == ("internal", "pending")
