"""Explanations: for an event and each endpoint, why it was or was not delivered."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from delivery.models import Event, Lane
from delivery.publishing.publisher import publish
from delivery.reading import explain as explain_module
from delivery.reading.explain import MAX_REASONS, Explanation, endpoints_for, explain
from subscriptions.event_types.json_schema.schema_check import current_snapshot
from subscriptions.models import Endpoint, Subscription, Tenant
from tests.clock import time_of_test
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import make_endpoint, make_subscription, make_tenant

pytestmark = pytest.mark.django_db


def earlier() -> datetime:
    return time_of_test() - timedelta(days=1)


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def old_endpoint(tenant: Tenant, **changes: Any) -> Endpoint:
    return make_endpoint(tenant, created_at=earlier(), **changes)


def old_subscription(endpoint: Endpoint, **changes: Any) -> Subscription:
    made = make_subscription(endpoint, created_at=earlier(), **changes)
    Subscription.objects.filter(pk=made.pk).update(updated_at=earlier())
    return made


def explanation_of(event: Event) -> Explanation:
    (explained,) = explain(event, list(endpoints_for(event)))
    return explained


def codes(event: Event) -> list[str]:
    return [reason.code for reason in explanation_of(event).reasons]


class TestNotSent:
    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"event_types": ["invoice.*", "refund"]}, "type"),
            ({"pattern": {"data": {"total": [{"numeric": [">", 100]}]}}}, "pattern"),
            ({"active": False}, "inactive"),
            ({}, "unknown"),
        ],
    )
    def test_explain_gives_one_reason_for_each_subscription(
        self, tenant: Tenant, changes: dict[str, Any], code: str
    ) -> None:
        old_subscription(old_endpoint(tenant), **changes)
        event = make_event(tenant, data={"total": 5})
        assert (explanation_of(event).outcome, codes(event)) == ("not_sent", [code])

    def test_explain_a_pattern_mismatch_names_the_field(self, tenant: Tenant) -> None:
        made = old_subscription(old_endpoint(tenant), pattern={"detail": {"total": [{"numeric": [">", 100]}]}})
        (reason,) = explanation_of(make_event(tenant, data={"total": 5})).reasons
        (mismatch,) = reason.mismatches
        assert (mismatch.path, mismatch.expected, mismatch.found) == ("data.total", ({"numeric": [">", 100]},), (5,))
        assert (reason.subscription, reason.detail) == (made, "The pattern does not match at data.total.")

    def test_explain_names_a_subscription_or_endpoint_created_later(self, tenant: Tenant) -> None:
        event = make_event(tenant, created_at=earlier() + timedelta(hours=1))
        endpoint = old_endpoint(tenant)
        made = make_subscription(endpoint)
        assert codes(event) == ["created_later"]
        Subscription.objects.filter(pk=made.pk).update(created_at=earlier())
        assert codes(event) == ["changed_later"]
        made.delete()
        assert codes(event) == ["no_subscription"]
        Endpoint.objects.filter(pk=endpoint.pk).update(created_at=timezone.now())
        assert codes(event) == ["endpoint_created_later", "no_subscription"]

    def test_explain_counts_reasons_beyond_the_limit(self, tenant: Tenant) -> None:
        endpoint = old_endpoint(tenant)
        for number in range(MAX_REASONS + 3):
            old_subscription(endpoint, event_types=[f"other.{number}"])
        explained = explanation_of(make_event(tenant))
        assert (len(explained.reasons), explained.more_reasons) == (MAX_REASONS, 3)

    def test_explain_operational_event_does_not_match_a_wildcard(self, tenant: Tenant) -> None:
        old_subscription(old_endpoint(tenant), event_types=["*"])
        assert codes(make_event(tenant, type="waypost.endpoint.failing")) == ["type"]


class TestScheduled:
    @pytest.mark.parametrize("state", ["delivered", "sending", "cancelled"])
    def test_explain_a_delivery_by_its_state(self, tenant: Tenant, state: str) -> None:
        event = make_event(tenant)
        make_delivery(event, make_endpoint(tenant), state=state)
        assert (explanation_of(event).outcome, codes(event)) == (state, [state])

    def test_explain_a_dead_delivery_by_its_dead_letter(self, tenant: Tenant) -> None:
        event = make_event(tenant)
        make_dead_letter(make_delivery(event, make_endpoint(tenant)), cause="exhausted")
        (reason,) = explanation_of(event).reasons
        assert (reason.code, reason.detail) == ("exhausted", "Failed permanently: Retries exhausted.")

    @pytest.mark.parametrize("state", ["paused", "disabled"])
    def test_explain_a_delivery_to_an_inactive_endpoint(self, tenant: Tenant, state: str) -> None:
        event = make_event(tenant)
        make_delivery(event, make_endpoint(tenant, state=state))
        assert codes(event) == [state, "queued"]

    def test_explain_a_delivery_behind_an_open_breaker(self, tenant: Tenant) -> None:
        event, endpoint = make_event(tenant), make_endpoint(tenant)
        later = timezone.now() + timedelta(hours=1)
        make_delivery(event, endpoint, next_attempt_at=later, attempts=2)
        Lane.objects.filter(endpoint=endpoint).delete()
        Lane.objects.create(endpoint=endpoint, tenant=tenant, circuit_open_until=later, failures=9)
        assert codes(event) == ["circuit_open", "scheduled"]

    def test_explain_says_until_when_the_breaker_is_open(self, tenant: Tenant) -> None:
        event, endpoint = make_event(tenant), make_endpoint(tenant)
        make_delivery(event, endpoint)
        until = timezone.now() + timedelta(hours=1)
        state = {"tenant": tenant, "circuit_open_until": until, "failures": 1_234, "open_count": 3}
        Lane.objects.update_or_create(endpoint=endpoint, defaults=state)
        (reason, _) = explanation_of(event).reasons
        assert f"open until {until:%Y-%m-%d %H:%M:%S} UTC after 1,234 failures in a row" in reason.detail
        Lane.objects.update(circuit_open_until=timezone.now() - timedelta(seconds=1))
        assert "one attempt at a time probes the endpoint" in explanation_of(event).reasons[0].detail

    def test_explain_a_queued_delivery_counts_those_ahead(self, tenant: Tenant) -> None:
        endpoint, last = make_endpoint(tenant), make_event(tenant)
        make_delivery(last, endpoint)
        assert explanation_of(last).reasons[0].detail == "Queued: it is the next one."
        for number in range(1, 4):
            make_delivery(make_event(tenant), endpoint, next_attempt_at=last.created_at - timedelta(minutes=number))
        assert explanation_of(last).reasons[0].detail == "Queued: 3 deliveries are due before it."

    def test_explain_a_queued_delivery_says_how_long_the_rate_limit_makes_it(self, tenant: Tenant) -> None:
        endpoint, last = make_endpoint(tenant, rate_limit=2, rate_period="minute"), make_event(tenant)
        make_delivery(last, endpoint)
        for number in range(1, 4):
            make_delivery(make_event(tenant), endpoint, next_attempt_at=last.created_at - timedelta(minutes=number))
        (reason,) = explanation_of(last).reasons
        assert (reason.code, reason.detail.rpartition("these take ")[2]) == ("rate_limit", "1 min 30 s at least.")

    def test_explain_an_ordered_delivery_names_the_one_before_it(self, tenant: Tenant) -> None:
        endpoint = make_endpoint(tenant, ordering="subject")
        first = make_delivery(make_event(tenant), endpoint, order_key="a")
        last = make_event(tenant)
        make_delivery(last, endpoint, order_key="a")
        assert codes(last) == ["blocked", "queued"]
        assert first.public_id in explanation_of(last).reasons[0].detail

    def test_explain_a_delivery_while_the_endpoint_wants_a_pause(self, tenant: Tenant) -> None:
        event, endpoint = make_event(tenant), make_endpoint(tenant)
        make_delivery(event, endpoint)
        until = timezone.now() + timedelta(hours=1)
        state = {"tenant": tenant, "wait_until": until, "wait_status": 503}
        Lane.objects.update_or_create(endpoint=endpoint, defaults=state)
        assert codes(event) == ["pause_requested", "queued"]
        assert explanation_of(event).reasons[0].detail == (
            f"Waiting: the endpoint responded with 503 and Retry-After: nothing is sent to it until "
            f"{until:%Y-%m-%d %H:%M:%S} UTC."
        )

    def test_explain_a_failed_transformation(self, tenant: Tenant) -> None:
        template = {"input_paths": {"n": "$.data.n"}, "template": "{<n>: 1}"}
        make_subscription(make_endpoint(tenant), transformer=template)
        (published,) = publish(tenant, [{"type": "t", "data": {"n": 5}}])
        event = Event.objects.get(pk=published.key)
        assert (explanation_of(event).outcome, codes(event)) == ("dead", ["transformation_failed"])

    def test_explain_includes_a_deleted_endpoint_only_with_a_delivery(self, tenant: Tenant) -> None:
        event = make_event(tenant)
        gone, with_delivery = (make_endpoint(tenant, deleted_at=timezone.now()) for _ in range(2))
        make_delivery(event, with_delivery, state="delivered")
        assert list(endpoints_for(event)) == [with_delivery]
        assert gone not in endpoints_for(event)


def test_explain_takes_the_same_number_of_queries_for_many_endpoints(
    tenant: Tenant, django_assert_num_queries: Any
) -> None:
    event = make_event(tenant)
    for number in range(6):
        endpoint = old_endpoint(tenant)
        old_subscription(endpoint, event_types=["other"])
        if number % 2:
            make_delivery(event, endpoint)
    endpoints = list(endpoints_for(event))
    current_snapshot()  # of the event types, which a process keeps
    with django_assert_num_queries(8):
        assert len(explain(event, endpoints)) == 6


def test_pattern_beyond_the_budget_is_not_compared(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain_module, "EXPLAIN_STEPS", 1)
    event, endpoint = make_event(tenant), old_endpoint(tenant)
    old_subscription(endpoint, event_types=[event.type], pattern={"data": {"a": [1]}})
    (explained,) = explain(event, [endpoint])
    assert [it.code for it in explained.reasons] == ["not_compared"]
