"""The status of a lane, at a cost that does not depend on its size."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.models import Lane
from delivery.reading import lane_status as module
from delivery.reading.lane_status import lane_status
from subscriptions.models import Endpoint
from tests.clock import from_now
from tests.delivery.factories import make_attempt, make_delivery, make_event
from tests.factories import make_endpoint
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


def make_lane(endpoint: Endpoint, **changes: Any) -> Lane:
    return Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, **changes)


def test_status_of_an_endpoint_without_a_lane_is_idle(endpoint: Endpoint) -> None:
    now = lane_status(endpoint)
    assert (now.state, now.breaker, now.backlog, now.effective_rate) == ("idle", "closed", 0, None)


@pytest.mark.parametrize(
    ("lane", "state", "breaker"),
    [
        ({"due_at": timedelta()}, "ready", "closed"),
        ({"owner": new_id()}, "active", "closed"),
        ({"endpoint_inactive": True}, "endpoint_inactive", "closed"),
        (
            {"circuit_open_until": timedelta(hours=1), "open_count": 1, "endpoint_inactive": True},
            "circuit_open",
            "open",
        ),
        ({"circuit_open_until": timedelta(hours=-1), "open_count": 1}, "idle", "half_open"),
        ({"wait_until": timedelta(hours=1), "owner": new_id()}, "pause_requested", "closed"),
        ({"wait_until": timedelta(hours=-1)}, "idle", "closed"),
        (
            {
                "wait_until": timedelta(hours=1),
                "circuit_open_until": timedelta(hours=2),
                "open_count": 1,
            },
            "circuit_open",
            "open",
        ),
    ],
)
def test_status_is_the_most_severe_state(endpoint: Endpoint, lane: dict[str, Any], state: str, breaker: str) -> None:
    make_lane(endpoint, **from_now(lane))
    now = lane_status(endpoint)
    assert (now.state, now.breaker) == (state, breaker)


def test_status_says_until_when_the_endpoint_wants_a_pause_and_why(endpoint: Endpoint) -> None:
    until = timezone.now() + timedelta(hours=1)
    make_lane(endpoint, wait_until=until, wait_status=429)
    now = lane_status(endpoint)
    assert (now.waits_until, now.effective_rate) == (until, 0.0)
    assert now.waits_because == (
        f"The endpoint responded with 429 and Retry-After: nothing is sent to it until {until:%Y-%m-%d %H:%M:%S} UTC."
    )


def test_backlog_is_counted_up_to_a_bound(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_COUNTED", 2)
    oldest, *_ = [make_delivery(make_event(endpoint.tenant), endpoint) for _ in range(3)]
    make_delivery(make_event(endpoint.tenant), endpoint, state="sending")
    now = lane_status(endpoint)
    assert (now.backlog, now.backlog_is_lower_bound, now.sending) == (2, True, 1)
    assert now.oldest_due_at == oldest.next_attempt_at


class TestRate:
    """The rate follows from the concurrency window and the duration of the latest attempts."""

    def attempts(self, endpoint: Endpoint, duration_ms: int) -> None:
        for _ in range(3):
            delivery = make_delivery(make_event(endpoint.tenant), endpoint)
            make_attempt(delivery, duration_ms=duration_ms, status=200, error="")

    def test_rate_of_an_endpoint_that_fails_each_time_is_zero(self, endpoint: Endpoint) -> None:
        make_lane(endpoint, concurrency=64)
        for _ in range(3):
            make_attempt(make_delivery(make_event(endpoint.tenant), endpoint), duration_ms=4, error="connect")
        assert lane_status(endpoint).effective_rate == 0.0

    def test_rate_counts_only_the_share_that_delivers(self, endpoint: Endpoint) -> None:
        make_lane(endpoint, concurrency=10)
        self.attempts(endpoint, 200)
        make_attempt(make_delivery(make_event(endpoint.tenant), endpoint), duration_ms=200, error="timeout")
        assert lane_status(endpoint).effective_rate == 37.5

    @pytest.mark.parametrize(
        ("window", "limit", "rate"), [(10, None, 50.0), (1, None, 5.0), (10, 7, 7.0), (1000, None, 512 * 5.0)]
    )
    def test_rate_follows_from_the_window(
        self, endpoint: Endpoint, window: int, limit: int | None, rate: float
    ) -> None:
        make_lane(endpoint, concurrency=window)
        endpoint.rate_limit = limit
        self.attempts(endpoint, 200)
        assert lane_status(endpoint).effective_rate == rate

    def test_rate_is_capped_by_a_limit_per_minute(self, endpoint: Endpoint) -> None:
        endpoint.rate_limit, endpoint.rate_period = 30, "minute"
        self.attempts(endpoint, 200)
        now = lane_status(endpoint)
        assert (now.rate_limit, now.effective_rate) == (0.5, 0.5)

    def test_rate_of_a_half_open_breaker_is_one_attempt_at_a_time(self, endpoint: Endpoint) -> None:
        make_lane(endpoint, concurrency=10, open_count=2)
        self.attempts(endpoint, 200)
        assert lane_status(endpoint).effective_rate == 5.0

    @pytest.mark.parametrize("state", ["paused", "disabled"])
    def test_rate_of_an_inactive_endpoint_is_zero(self, endpoint: Endpoint, state: str) -> None:
        endpoint.state = state
        self.attempts(endpoint, 200)
        assert lane_status(endpoint).effective_rate == 0.0

    def test_rate_of_an_open_breaker_is_zero(self, endpoint: Endpoint) -> None:
        make_lane(endpoint, circuit_open_until=timezone.now() + timedelta(minutes=1))
        assert lane_status(endpoint).effective_rate == 0.0


def test_blockers_are_the_heads_waiting_for_their_next_attempt(endpoint: Endpoint) -> None:
    endpoint.ordering = "subject"
    later = timezone.now() + timedelta(hours=1)

    def deliver(key: str, **changes: Any) -> Any:
        return make_delivery(make_event(endpoint.tenant), endpoint, order_key=key, **changes)

    deliver("a", state="delivered")
    blocker = deliver("a", attempts=3, next_attempt_at=later, last_status=503, last_error="status")
    deliver("a", attempts=1, next_attempt_at=later)
    deliver("b")
    deliver("c", state="sending", attempts=1)
    [found] = lane_status(endpoint).blockers
    assert (found.key, found.delivery_id, found.attempts, found.last_status) == ("a", blocker.id, 3, 503)
