"""The health of an endpoint in words."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.models import HourlyStats, Lane
from delivery.reading.endpoint_health import EndpointHealth, Health, endpoint_health, percent
from delivery.reading.timeline import explanation_of
from delivery.transports.outcome import Failure
from subscriptions.models import Endpoint
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


def health_of(endpoint: Endpoint, **lane: Any) -> EndpointHealth:
    return endpoint_health(endpoint, Lane(endpoint=endpoint, **lane), timezone.now())


def count(endpoint: Endpoint, attempts: int, delivered: int, rejected: int, last_status: int | None = 422) -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    numbers = {"attempts": attempts, "delivered": delivered, "rejected": rejected}
    HourlyStats.objects.create(
        endpoint=endpoint, begins_at=hour, latencies=[], last_status=last_status, last_failed_at=hour, **numbers
    )


def test_endpoint_without_attempts_is_unknown(endpoint: Endpoint) -> None:
    health = health_of(endpoint)
    assert (health.state, health.text) == (Health.UNKNOWN, "No attempts were made in the last 24 hours.")
    assert health.rejected_percent is None


def test_endpoint_whose_few_attempts_were_not_delivered_is_unknown(endpoint: Endpoint) -> None:
    count(endpoint, 10, 0, 0, 503)
    health = health_of(endpoint, failures=1, failing_since=timezone.now())
    text = "No attempt was delivered in the last 24 hours. The latest attempt failed with 503."
    assert (health.state, health.text) == (Health.UNKNOWN, text)


def test_endpoint_that_accepts_is_healthy(endpoint: Endpoint) -> None:
    count(endpoint, 5_000, 4_990, 5)
    health = health_of(endpoint)
    assert health.state is Health.HEALTHY
    assert health.text == "The endpoint accepts deliveries: 99 % of 5,000 attempts in the last 24 hours."


def test_endpoint_that_rejects_much_is_rejecting(endpoint: Endpoint) -> None:
    count(endpoint, 960, 60, 900)
    health = health_of(endpoint)
    assert (health.state, health.rejected_percent) == (Health.REJECTING, 94)
    assert health.text == (
        "The endpoint rejects 94 %: 900 of 960 attempts in the last 24 hours, the latest with 422. It responds, so "
        "nothing is paused; what it rejects is tried again by its retry plan."
    )


def test_endpoint_that_fails_is_failing_with_its_warnings_and_the_time_of_disabling(endpoint: Endpoint) -> None:
    count(endpoint, 960, 60, 900, 503)
    now = timezone.now()
    since, counted = now - timedelta(days=3, minutes=5), now - timedelta(minutes=5)
    state = {"failures": 57, "failing_since": since, "failing_day_at": counted, "failing_days": 3, "warnings_sent": 2}
    health = health_of(endpoint, **state)
    until = counted + timedelta(days=2)
    assert (health.state, health.warnings_sent, health.failing_days) == (Health.FAILING, 2, 3)
    assert health.disabled_at is not None
    assert abs(health.disabled_at - until) < timedelta(seconds=1)
    assert health.text == (
        f"No attempt has succeeded since {since:%Y-%m-%d %H:%M} UTC (57 failures in a row). The endpoint will be "
        f"disabled once attempts have failed 20 times or more, on 5 days after the first, and none has succeeded; not "
        f"before {until:%Y-%m-%d %H:%M} UTC. The latest attempt failed with 503. Its owner was warned 2 times."
    )


@pytest.mark.parametrize("failure", sorted(set(Failure) - {Failure.STATUS}))
def test_failing_endpoint_without_a_response_says_what_went_wrong(endpoint: Endpoint, failure: Failure) -> None:
    count(endpoint, 960, 0, 0)
    HourlyStats.objects.update(last_error=failure, last_status=None)
    health = health_of(endpoint, failures=57, failing_since=timezone.now() - timedelta(days=1), open_count=2)
    assert f" The latest attempt failed. {explanation_of(failure)}." in health.text


def test_endpoint_with_a_single_failure_is_not_failing(endpoint: Endpoint) -> None:
    count(endpoint, 100, 99, 0, 500)
    assert health_of(endpoint, failures=1, failing_since=timezone.now()).state is Health.HEALTHY


def test_endpoint_that_asked_for_a_pause_says_until_when(endpoint: Endpoint) -> None:
    until = timezone.now() + timedelta(hours=1)
    health = health_of(endpoint, wait_until=until, wait_status=429, failures=9, failing_since=timezone.now())
    assert health.state is Health.PAUSE_REQUESTED
    assert f"429 and Retry-After: nothing is sent to it until {until:%Y-%m-%d %H:%M:%S} UTC" in health.text


@pytest.mark.parametrize(
    ("state", "reason", "text"),
    [
        ("paused", "", "The endpoint is paused: nothing is sent to it."),
        ("disabled", "failing", "The endpoint is disabled (Failing for days): nothing is sent to it."),
    ],
)
def test_endpoint_that_is_not_active_is_inactive(state: str, reason: str, text: str) -> None:
    endpoint = make_endpoint(state=state, disabled_reason=reason)
    health = health_of(endpoint, failures=99, failing_since=timezone.now())
    assert (health.state, health.text, health.disabled_at) == (Health.INACTIVE, text, None)


def test_health_of_endpoints_that_are_never_disabled_names_no_time(endpoint: Endpoint, settings: Any) -> None:
    settings.WAYPOST_DISABLE_AFTER_DAYS = 0
    health = health_of(endpoint, failures=9, failing_since=timezone.now())
    assert health.disabled_at is None
    assert "disabled" not in health.text


@pytest.mark.parametrize(
    ("part", "whole", "expected"), [(900, 960, 94), (1, 1_000, 1), (999, 1_000, 99), (7, 7, 100), (0, 7, 0)]
)
def test_percent_is_100_only_of_all_and_0_only_of_none(part: int, whole: int, expected: int) -> None:
    assert percent(part, whole) == expected
