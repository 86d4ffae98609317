"""Operational events about endpoints: each step is published once, and none about operational events themselves."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from delivery import notify
from delivery.fan_out import deferred
from delivery.lanes import health
from delivery.lanes.breaker import Breaker
from delivery.lanes.health import DAY, HOUR, MIN_WARNINGS, WARNING_GAP, Step, due_step
from delivery.lanes.lane import LeasedLane
from delivery.lanes.lane_rows import lane_from_row
from delivery.models import Delivery, Event, Lane
from delivery.operational.dead_letters import dead_letter
from delivery.publishing.publisher import publish
from delivery.sending.drain import deliver_due
from delivery.sending.verdict import DEFAULT_PLAN
from delivery.sql.dead_letters import DeadLetterRow
from subscriptions.models import Endpoint
from tests.delivery.factories import make_delivery, make_event
from tests.delivery.factories_lanes import make_target
from tests.delivery.sql.factories import lane_row
from tests.factories import make_endpoint, make_subscription
from tests.receiver import Receiver
from webhooks.wire.cloudevents.json_format import read_structured

NOW = 1_900_000_000.0
WEEK = 7 * DAY


class Ladder:
    """Let an endpoint fail at these seconds, and record when each step was due, until it is disabled."""

    def __init__(self, failed_after: Iterable[float]) -> None:
        self.warned: list[float] = []
        self.disabled: float | None = None
        self.breaker = Breaker()
        for after in failed_after:
            now = NOW + after
            self.breaker.on_failure(now, now)
            warned_at = NOW + self.warned[-1] if self.warned else None
            step = due_step(self.breaker, len(self.warned), warned_at, now)
            if step is Step.WARN:
                self.warned.append(after)
            elif step is Step.DISABLE:
                self.disabled = after
                break


def weekly(plan: Sequence[float], events: int) -> list[float]:
    """Return when the attempts of one event a week fail."""
    attempts = [0.0]
    for wait in plan:
        attempts.append(attempts[-1] + wait)
    return sorted(week * WEEK + after for week in range(events) for after in attempts)


def test_endpoint_that_fails_all_the_time_is_warned_three_times_and_disabled_after_five_days() -> None:
    ladder = Ladder(n * 900.0 for n in range(1_000))
    assert (ladder.warned, ladder.disabled) == ([HOUR, 1 * DAY, 3 * DAY], 5 * DAY)


def test_endpoint_with_an_event_a_week_and_no_retries_is_disabled_after_twenty_failures() -> None:
    ladder = Ladder(weekly([], 60))
    assert ladder.warned[:3] == [1 * WEEK, 2 * WEEK, 3 * WEEK]
    assert ladder.disabled == 19 * WEEK


def test_endpoint_with_an_event_a_week_is_not_disabled_by_its_first_event() -> None:
    assert Ladder(weekly(DEFAULT_PLAN, 1)).disabled is None
    ladder = Ladder(weekly(DEFAULT_PLAN, 9))
    assert ladder.disabled is not None
    assert ladder.disabled > WEEK


@given(st.lists(st.floats(0, 20 * DAY), min_size=1, max_size=120))
def test_no_endpoint_is_disabled_without_warnings_failures_and_days(waits: list[float]) -> None:
    failed_after = list(itertools.accumulate(waits))
    ladder = Ladder(failed_after)
    if ladder.disabled is None:
        return
    made = ladder.breaker.failures
    assert made >= 20
    assert len(ladder.warned) >= MIN_WARNINGS
    assert ladder.disabled - ladder.warned[-1] >= WARNING_GAP
    assert ladder.disabled - failed_after[0] >= 5 * DAY
    assert len({after // (DAY / 4) for after in failed_after[:made]}) >= 6


@pytest.mark.parametrize(("days", "failures", "disabled"), [(0, 1, None), (2, 1, 2 * DAY), (30, 1, 30 * DAY)])
def test_days_and_failures_can_be_set(settings: Any, days: int, failures: int, disabled: float | None) -> None:
    settings.WAYPOST_DISABLE_AFTER_DAYS, settings.WAYPOST_DISABLE_AFTER_FAILURES = days, failures
    ladder = Ladder(n * 900.0 for n in range(4 * 24 * 40))
    assert ladder.disabled == disabled
    assert len(ladder.warned) >= MIN_WARNINGS


def test_sign_of_life_is_due_to_be_published_only_after_a_warning() -> None:
    assert [due_step(Breaker(), sent, None, NOW) for sent in (0, 1)] == [None, Step.RECOVERED]


def failing_lane(endpoint: Endpoint, **row: Any) -> LeasedLane:
    """Make the lane of an endpoint that has failed for five days, with two warnings sent."""
    instants = {"failing_since": at(-5 * DAY), "failing_day_at": at(0), "warned_at": at(-DAY)}
    fields = {"failures": 30, "failing_days": 5, "warnings_sent": 2, **instants, **row}
    target = make_target(endpoint_id=endpoint.id, url=endpoint.address)
    return lane_from_row(lane_row(endpoint, **fields), target, NOW)


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


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
    def test_warning_names_the_start_the_evidence_and_the_time_of_disabling(self, endpoint: Endpoint) -> None:
        state = {"failing_since": at(-HOUR), "failing_day_at": at(-HOUR), "failing_days": 0, "warned_at": None}
        lane = failing_lane(endpoint, **state, warnings_sent=0)
        for _ in range(2):
            health.publish_due_step(lane, NOW)
        ((kind, data),) = published()
        assert kind == "waypost.endpoint.failing"
        assert data == {
            "endpoint": endpoint.public_id,
            "url": endpoint.address,
            "failing_since": "2030-03-17T16:46:40+00:00",
            "failures": 30,
            "failing_days": 0,
            "warning": 1,
            "disabled_at": "2030-03-22T16:46:40+00:00",
            "message": "No attempt has succeeded since 2030-03-17 16:46 UTC (30 failures in a row). The endpoint will "
            "be disabled once attempts have failed 20 times or more, on 5 days after the first, and none has "
            "succeeded; not before 2030-03-22 16:46 UTC.",
        }
        assert (lane.warnings_sent, lane.warned_at) == (1, NOW)

    def test_warning_where_endpoints_are_never_disabled_names_no_time(self, endpoint: Endpoint, settings: Any) -> None:
        settings.WAYPOST_DISABLE_AFTER_DAYS = 0
        health.publish_due_step(failing_lane(endpoint), NOW)
        ((kind, data),) = published()
        assert (kind, data["disabled_at"]) == ("waypost.endpoint.failing", None)
        assert data["message"] == "No attempt has succeeded since 2030-03-12 17:46 UTC (30 failures in a row)."

    def test_endpoint_is_disabled_and_published_once(self, endpoint: Endpoint) -> None:
        lane = failing_lane(endpoint)
        for _ in range(2):
            health.publish_due_step(lane, NOW)
        endpoint.refresh_from_db()
        assert (endpoint.state, endpoint.disabled_reason) == ("disabled", "failing")
        ((kind, data),) = published()
        assert kind == "waypost.endpoint.disabled"
        assert (data["endpoint"], data["reason"], data["failures"]) == (endpoint.public_id, "failing", 30)
        assert "Enable it, or test it with success" in data["message"]

    def test_failures_of_a_former_url_disable_nothing(self, endpoint: Endpoint) -> None:
        lane = failing_lane(endpoint)
        lane.target = make_target(endpoint_id=endpoint.id, url="https://example.com/before")
        health.publish_due_step(lane, NOW)
        endpoint.refresh_from_db()
        assert (endpoint.state, published()) == ("active", [])

    def test_unusable_subscription_of_a_tenant_does_not_stop_publishing(self, endpoint: Endpoint) -> None:
        make_subscription(endpoint, event_types=["waypost.*"], transformer={"template": 5})
        delivery = make_delivery(make_event(endpoint.tenant), endpoint, state="dead")
        dead_letter([DeadLetterRow(delivery.id, "exhausted", None)])
        health.publish_due_step(failing_lane(endpoint), NOW)
        endpoint.refresh_from_db()
        assert endpoint.state == "disabled"
        assert [kind for kind, _ in published()] == ["waypost.delivery.dead", "waypost.endpoint.disabled"]

    def test_sign_of_life_after_a_warning_publishes_recovered(self, endpoint: Endpoint) -> None:
        lane = failing_lane(endpoint)
        lane.breaker.on_sign_of_life()
        for _ in range(2):
            health.publish_due_step(lane, NOW)
        ((kind, data),) = published()
        assert (kind, data["from"]) == ("waypost.endpoint.recovered", "failing")
        assert (lane.warnings_sent, lane.warned_at) == (0, None)

    def test_warning_without_a_subscription_writes_no_event(self) -> None:
        endpoint = make_endpoint()
        make_subscription(endpoint, event_types=["*"])
        health.publish_due_step(failing_lane(endpoint, failing_days=3), NOW)
        assert published() == []


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
        Endpoint.objects.update(created_at=ago(99 * DAY), state_changed_at=ago(99 * DAY))
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
        ("lane", "expected", "state"),
        [
            ({"failing_since": -HOUR, "failing_day_at": -HOUR}, "waypost.endpoint.failing", "active"),
            (
                {"failing_since": -6 * DAY, "failing_day_at": -DAY, "failing_days": 4, "warned_at": -DAY},
                "waypost.endpoint.disabled",
                "disabled",
            ),
        ],
    )
    def test_drain_publishes_an_endpoint_that_has_failed_for_long(
        self, receiver: Receiver, lane: dict[str, Any], expected: str, state: str
    ) -> None:
        fields = {key: value if key == "failing_days" else ago(-value) for key, value in lane.items()}
        sent = 2 if "warned_at" in lane else 0
        endpoint = self.watched(receiver, receiver.script("/", 500), failures=19, warnings_sent=sent, **fields)
        self.drain()
        assert self.received(receiver) == [expected]
        endpoint.refresh_from_db()
        assert endpoint.state == state
        if state == "active":
            assert Lane.objects.get(endpoint=endpoint).warnings_sent == 1

    def test_third_failure_of_a_quiet_endpoint_in_three_weeks_warns_and_does_not_disable(
        self, receiver: Receiver
    ) -> None:
        endpoint = self.watched(
            receiver,
            receiver.script("/", 500),
            failures=2,
            failing_since=ago(14 * DAY),
            failing_day_at=ago(7 * DAY),
            failing_days=1,
            warnings_sent=1,
            warned_at=ago(7 * DAY),
        )
        self.drain()
        endpoint.refresh_from_db()
        assert endpoint.state == "active"
        assert self.received(receiver) == ["waypost.endpoint.failing"]

    def test_drain_takes_rejected_deliveries_for_no_outage(self, receiver: Receiver) -> None:
        state = {"failing_since": ago(6 * DAY), "failing_day_at": ago(DAY), "failing_days": 5, "warned_at": ago(DAY)}
        self.watched(receiver, receiver.script("/", 422), failures=99, warnings_sent=3, **state)
        self.drain()
        assert self.received(receiver) == ["waypost.endpoint.recovered"]
        assert set(Lane.objects.values_list("failures", "failing_since")) == {(0, None)}

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
