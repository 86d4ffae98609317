"""How a lane stands, in numbers that cost the same at any size."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.models import Lane
from delivery.reading import lane_status as module
from delivery.reading.lane_status import lane_status
from subscriptions.models import Endpoint
from tests.delivery.factories import make_attempt, make_delivery, make_event
from tests.factories import make_endpoint
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


def make_lane(endpoint: Endpoint, **changes: Any) -> Lane:
    return Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, **changes)


def test_an_endpoint_that_never_had_anything_to_do_is_idle(endpoint: Endpoint) -> None:
    now = lane_status(endpoint)
    assert (now.state, now.breaker, now.backlog, now.effective_rate) == ("idle", "closed", 0, None)


@pytest.mark.parametrize(
    ("lane", "state", "breaker"),
    [
        ({"due_at": timezone.now()}, "ready", "closed"),
        ({"owner": new_id()}, "active", "closed"),
        ({"endpoint_inactive": True}, "endpoint_inactive", "closed"),
        (
            {"circuit_open_until": timezone.now() + timedelta(hours=1), "open_count": 1, "endpoint_inactive": True},
            "circuit_open",
            "open",
        ),
        ({"circuit_open_until": timezone.now() - timedelta(hours=1), "open_count": 1}, "idle", "half_open"),
    ],
)
def test_the_gravest_state_is_shown(endpoint: Endpoint, lane: dict[str, Any], state: str, breaker: str) -> None:
    make_lane(endpoint, **lane)
    now = lane_status(endpoint)
    assert (now.state, now.breaker) == (state, breaker)


def test_the_backlog_is_counted_so_far_and_says_if_there_is_more(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_COUNTED", 2)
    oldest, *_ = [make_delivery(make_event(endpoint.tenant), endpoint) for _ in range(3)]
    make_delivery(make_event(endpoint.tenant), endpoint, state="sending")
    now = lane_status(endpoint)
    assert (now.backlog, now.backlog_is_lower_bound, now.sending) == (2, True, 1)
    assert now.oldest_due_at == oldest.next_attempt_at


class TestRate:
    """The window, by how long the latest attempts took."""

    def attempts(self, endpoint: Endpoint, duration_ms: int) -> None:
        for _ in range(3):
            make_attempt(make_delivery(make_event(endpoint.tenant), endpoint), duration_ms=duration_ms)

    @pytest.mark.parametrize(
        ("window", "limit", "rate"), [(10, None, 50.0), (1, None, 5.0), (10, 7, 7.0), (1000, None, 64 * 5.0)]
    )
    def test_it_is_what_the_window_lets_through(
        self, endpoint: Endpoint, window: int, limit: int | None, rate: float
    ) -> None:
        make_lane(endpoint, concurrency=window)
        endpoint.rate_limit = limit
        self.attempts(endpoint, 200)
        assert lane_status(endpoint).effective_rate == rate

    def test_a_limit_by_the_minute_counts_as_one(self, endpoint: Endpoint) -> None:
        endpoint.rate_limit, endpoint.rate_period = 30, "minute"
        self.attempts(endpoint, 200)
        now = lane_status(endpoint)
        assert (now.rate_limit, now.effective_rate) == (0.5, 0.5)

    def test_half_open_one_probe_at_a_time_goes(self, endpoint: Endpoint) -> None:
        make_lane(endpoint, concurrency=10, open_count=2)
        self.attempts(endpoint, 200)
        assert lane_status(endpoint).effective_rate == 5.0

    @pytest.mark.parametrize("state", ["paused", "disabled"])
    def test_an_endpoint_that_is_not_active_gets_nothing(self, endpoint: Endpoint, state: str) -> None:
        endpoint.state = state
        self.attempts(endpoint, 200)
        assert lane_status(endpoint).effective_rate == 0.0

    def test_an_open_breaker_lets_nothing_through(self, endpoint: Endpoint) -> None:
        make_lane(endpoint, circuit_open_until=timezone.now() + timedelta(minutes=1))
        assert lane_status(endpoint).effective_rate == 0.0


def test_blockers_are_the_heads_that_wait_for_their_next_attempt(endpoint: Endpoint) -> None:
    endpoint.ordering = "subject"
    later = timezone.now() + timedelta(hours=1)

    def owed(key: str, **changes: Any) -> Any:
        return make_delivery(make_event(endpoint.tenant), endpoint, order_key=key, **changes)

    owed("a", state="delivered")
    blocker = owed("a", attempts=3, next_attempt_at=later, last_status=503, last_error="status")
    owed("a", attempts=1, next_attempt_at=later)
    owed("b")
    owed("c", state="sending", attempts=1)
    [found] = lane_status(endpoint).blockers
    assert (found.key, found.delivery_id, found.attempts, found.last_status) == ("a", blocker.id, 3, 503)
