"""Operational events about endpoints: each step is published once, and none about operational events themselves."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
from django.utils import timezone

from delivery import notify
from delivery.fan_out import deferred
from delivery.models import Delivery, Event, Lane
from delivery.publishing.publisher import publish
from delivery.sending import health
from delivery.sending.breaker import Breaker
from delivery.sending.drain import deliver_due
from delivery.sending.health import DAY, HOUR, LADDER, warning_level
from subscriptions.models import Endpoint
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import make_endpoint, make_subscription
from tests.receiver import Receiver
from webhooks.wire.cloudevents.json_format import read_structured

NOW = 1_900_000_000.0
FAILING = Breaker(failures=30, failing_since=NOW - HOUR)


@pytest.mark.parametrize(
    ("level", "failing_for", "expected"),
    [
        (0, None, 0),
        (2, None, 0),
        (0, 0.0, 0),
        (0, HOUR - 1, 0),
        (0, HOUR, 1),
        (1, HOUR + 1, 1),
        (1, DAY, 2),
        (0, 3 * DAY, 3),
        (3, 5 * DAY, 4),
        (0, 50 * DAY, 4),
        (2, 0.0, 2),
    ],
)
def test_warning_level_follows_the_ladder(level: int, failing_for: float | None, expected: int) -> None:
    assert warning_level(level, None if failing_for is None else NOW - failing_for, NOW) == expected


def published(kind: str = "waypost.") -> list[tuple[str, dict[str, Any]]]:
    rows = Event.objects.filter(type__startswith=kind).order_by("id")
    return [(row.type, read_structured(bytes(row.body)).document()["data"]) for row in rows]


@pytest.fixture
def endpoint() -> Endpoint:
    """Make an endpoint whose operational events go to another endpoint of its tenant."""
    endpoint = make_endpoint()
    make_subscription(make_endpoint(endpoint.tenant), event_types=["waypost.*"])
    return endpoint


@pytest.mark.django_db
class TestPublishing:
    def test_warning_names_the_start_and_the_time_of_disabling(self, endpoint: Endpoint) -> None:
        health.publish_warning(endpoint.id, endpoint.address, 1, FAILING)
        ((kind, data),) = published()
        assert kind == "waypost.endpoint.failing"
        assert data == {
            "endpoint": endpoint.public_id,
            "url": endpoint.address,
            "failing_since": "2030-03-17T16:46:40+00:00",
            "failures": 30,
            "disabled_at": "2030-03-22T16:46:40+00:00",
        }

    def test_last_level_disables_the_endpoint_and_publishes_once(self, endpoint: Endpoint) -> None:
        for _ in range(2):
            health.publish_warning(endpoint.id, endpoint.address, len(LADDER), FAILING)
        endpoint.refresh_from_db()
        assert (endpoint.state, endpoint.disabled_reason) == ("disabled", "failing")
        assert published() == [
            (
                "waypost.endpoint.disabled",
                {"endpoint": endpoint.public_id, "url": endpoint.address, "reason": "failing"},
            )
        ]

    def test_last_level_for_a_former_url_changes_nothing(self, endpoint: Endpoint) -> None:
        health.publish_warning(endpoint.id, "https://example.com/before", len(LADDER), FAILING)
        endpoint.refresh_from_db()
        assert (endpoint.state, published()) == ("active", [])

    def test_unusable_subscription_of_a_tenant_does_not_stop_publishing(self, endpoint: Endpoint) -> None:
        make_subscription(endpoint, event_types=["waypost.*"], transformer={"template": 5})
        letter = make_dead_letter(make_delivery(make_event(endpoint.tenant), endpoint, state="dead"))
        health.publish_dead_letters([letter.delivery_id])
        health.publish_warning(endpoint.id, endpoint.address, len(LADDER), FAILING)
        endpoint.refresh_from_db()
        assert endpoint.state == "disabled"
        assert [kind for kind, _ in published()] == ["waypost.delivery.dead", "waypost.endpoint.disabled"]

    def test_level_zero_publishes_recovered(self, endpoint: Endpoint) -> None:
        health.publish_warning(endpoint.id, endpoint.address, 0, Breaker())
        assert [kind for kind, _ in published()] == ["waypost.endpoint.recovered"]

    def test_warning_without_a_subscription_writes_no_event(self) -> None:
        endpoint = make_endpoint()
        make_subscription(endpoint, event_types=["*"])
        health.publish_warning(endpoint.id, endpoint.address, 1, FAILING)
        assert published() == []

    def test_dead_letters_are_published_with_their_cause(self, endpoint: Endpoint) -> None:
        letter = make_dead_letter(make_delivery(make_event(endpoint.tenant), endpoint, attempts=10))
        health.publish_dead_letters([letter.delivery_id])
        ((kind, data),) = published()
        assert kind == "waypost.delivery.dead"
        assert data == {
            "dead_letter": letter.public_id,
            "delivery": letter.delivery.public_id,
            "event": letter.delivery.event.public_id,
            "event_type": "order.created",
            "endpoint": endpoint.public_id,
            "cause": "exhausted",
            "attempts": 10,
            "last_status": 500,
            "last_error": "status",
        }

    def test_dead_operational_event_is_not_published(self, endpoint: Endpoint) -> None:
        event = make_event(endpoint.tenant, type="waypost.endpoint.failing")
        letter = make_dead_letter(make_delivery(event, endpoint))
        health.publish_dead_letters([letter.delivery_id])
        assert Event.objects.get() == event


@pytest.fixture
def receiver(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]
    monkeypatch.setattr(notify.drain_starter, "notify", lambda: None)
    monkeypatch.setattr(notify.fan_out_starter, "notify", lambda: None)
    with Receiver() as it:
        yield it


@pytest.mark.django_db(transaction=True)
class TestDraining:
    """A drain publishes each step as it happens."""

    def watched(self, receiver: Receiver, url: str, **lane: Any) -> Endpoint:
        endpoint = make_subscription(make_endpoint(url=url), event_types=["order.*"]).endpoint
        make_subscription(make_endpoint(endpoint.tenant, url=receiver.url("/ops")), event_types=["waypost.*"])
        Endpoint.objects.update(created_at=ago(9 * DAY), state_changed_at=ago(9 * DAY))
        Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, **lane)
        publish(endpoint.tenant, [{"type": "order.created", "data": 1}])
        return endpoint

    def drain(self) -> None:
        deliver_due(idle_timeout=0.3, seconds=60.0, stopping=lambda: False)
        deferred.run()
        deliver_due(idle_timeout=0.3, seconds=60.0, stopping=lambda: False)

    def received(self, receiver: Receiver) -> list[str]:
        return [orjson.loads(it.body)["type"] for it in receiver.at("/ops")]

    def test_drain_publishes_a_gone_endpoint(self, receiver: Receiver) -> None:
        endpoint = self.watched(receiver, receiver.script("/", 410))
        self.drain()
        endpoint.refresh_from_db()
        assert (endpoint.state, endpoint.disabled_reason) == ("disabled", "responded_410")
        assert sorted(self.received(receiver)) == ["waypost.delivery.dead", "waypost.endpoint.disabled"]

    @pytest.mark.parametrize(
        ("failing_for", "expected"), [(HOUR, "waypost.endpoint.failing"), (5 * DAY, "waypost.endpoint.disabled")]
    )
    def test_drain_publishes_an_endpoint_that_has_failed_for_long(
        self, receiver: Receiver, failing_for: float, expected: str
    ) -> None:
        self.watched(receiver, receiver.script("/", 500), failures=7, failing_since=ago(failing_for))
        self.drain()
        assert self.received(receiver) == [expected]
        lane = Lane.objects.get(failures__gt=0)
        assert lane.warnings_sent == sum(failing_for >= step for step in LADDER)

    def test_drain_publishes_a_recovered_endpoint(self, receiver: Receiver) -> None:
        self.watched(receiver, receiver.url("/"), failures=7, failing_since=ago(DAY), warnings_sent=2)
        self.drain()
        assert self.received(receiver) == ["waypost.endpoint.recovered"]
        assert set(Lane.objects.values_list("warnings_sent", "failing_since")) == {(0, None)}
        assert Delivery.objects.exclude(state="delivered").count() == 0

    def test_drain_publishes_nothing_about_a_short_failure(self, receiver: Receiver) -> None:
        self.watched(receiver, receiver.script("/", 500), failures=7, failing_since=ago(60.0))
        self.drain()
        assert self.received(receiver) == []


def ago(seconds: float) -> datetime:
    return timezone.now() - timedelta(seconds=seconds)
