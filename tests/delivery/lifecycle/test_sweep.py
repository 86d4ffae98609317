"""Recovery and sweep find pending deliveries after a crash, a lost notification or a late commit, and notify."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.utils import timezone

from delivery import notify
from delivery.lifecycle import sweep
from delivery.models import AlertRule, DeadLetter, Delivery, Event, Lane
from delivery.sql.recovery import claims
from delivery.sql.recovery.claims import HAS_OLD_CLAIMS, HAS_RECOVERIES, MAX_UNSETTLED_CLAIMS
from delivery.sql.recovery.clock_steps import LONGEST_RULE_PERIOD
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.endpoints.state import pause, resume
from subscriptions.models import Endpoint
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint, make_subscription, make_tenant
from webhooks.kit import sql
from webhooks.kit.conditions.registry import CONDITIONS
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db
AGO = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def notified(monkeypatch: pytest.MonkeyPatch) -> list[set[UUID]]:
    """Record the endpoints of each notification."""
    recorded: list[set[UUID]] = []
    monkeypatch.setattr(notify, "notify_drains", lambda endpoint_ids: recorded.append(set(endpoint_ids)))
    return recorded


def make_pending(endpoint: Endpoint, **changes: Any) -> Delivery:
    """Create a delivery that has been due for a minute."""
    fields: dict[str, Any] = {"next_attempt_at": timezone.now() - AGO, **changes}
    return make_delivery(make_event(endpoint.tenant), endpoint, **fields)


@pytest.mark.parametrize(("ago", "found"), [(timedelta(seconds=5), True), (timedelta(seconds=15), False)])
def test_claims_that_ran_out_long_ago_are_not_looked_for_each_second(ago: timedelta, found: bool) -> None:
    make_pending(make_endpoint(make_tenant()), state="sending", token=new_id(), claimed_until=timezone.now() - ago)
    assert sql.run(f"SELECT {HAS_RECOVERIES}, {HAS_OLD_CLAIMS}", {}) == [(found, True)]
    assert sweep.recover() == 1
    assert sql.run(f"SELECT {HAS_OLD_CLAIMS}", {}) == [(False,)]


def test_recovery_every_few_seconds_voids_only_claims_that_ran_out_lately() -> None:
    claimed(make_endpoint(), until=timedelta(seconds=-5 - sweep.RECENT))
    lately = claimed(make_endpoint(), until=timedelta(seconds=-5))
    assert sweep.recover_recent() == 1
    lately.refresh_from_db()
    assert lately.state == "pending"
    assert sweep.recover() == 1


def test_recovery_voids_all_claims_that_ran_out_however_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "VOID_CLAIMS", claims.VOID_CLAIMS.replace(f"LIMIT {claims.MAX_VOIDED}", "LIMIT 2"))
    monkeypatch.setattr(sweep, "MAX_VOIDED", 2)
    endpoint = make_endpoint()
    for _ in range(5):
        claimed(endpoint)
    assert sweep.recover() == 5


def lane_of(endpoint: Endpoint, **changes: Any) -> Lane:
    return Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, **changes)


def claimed(endpoint: Endpoint, *, claims: int = 1, until: timedelta = -AGO) -> Delivery:
    """Create a delivery being sent, whose claim expires after this time."""
    return make_pending(endpoint, state="sending", token=new_id(), claims=claims, claimed_until=timezone.now() + until)


def published_dead_letters() -> list[tuple[str, str]]:
    """Return cause and delivery of each published dead letter."""
    published = [orjson.loads(bytes(it.body))["data"] for it in Event.objects.filter(type="waypost.delivery.dead")]
    return [(it["cause"], it["delivery"]) for it in published]


class TestRecover:
    def test_recover_voids_an_expired_claim_and_records_its_attempt(self, notified: list[set[UUID]]) -> None:
        delivery = claimed(make_endpoint())
        assert sweep.recover() == 1
        delivery.refresh_from_db()
        assert (delivery.state, delivery.token, delivery.attempts) == ("pending", None, 1)
        assert delivery.history.get().error == "unknown"
        assert notified == [{delivery.endpoint_id}]

    def test_recover_publishes_deliveries_that_crashed_their_worker(self) -> None:
        endpoint = make_endpoint()
        make_subscription(make_endpoint(endpoint.tenant), event_types=["waypost.*"])
        delivery = claimed(endpoint, claims=MAX_UNSETTLED_CLAIMS)
        sweep.recover()
        assert published_dead_letters() == [("crashed_worker", delivery.public_id)]

    def test_recover_keeps_claims_that_have_not_expired(self, notified: list[set[UUID]]) -> None:
        delivery = claimed(make_endpoint(), until=AGO)
        assert sweep.recover() == 0
        delivery.refresh_from_db()
        assert delivery.state == "sending"
        assert notified == []

    def test_recover_dead_letters_a_delivery_that_crashes_its_worker_repeatedly(self) -> None:
        delivery = claimed(make_endpoint(), claims=1_000)
        assert sweep.recover() == 1
        delivery.refresh_from_db()
        assert delivery.state == "dead"
        assert DeadLetter.objects.get().cause == "crashed_worker"

    def test_recover_resumes_the_lane_of_a_resumed_endpoint(self, notified: list[set[UUID]]) -> None:
        endpoint = make_endpoint()
        lane = lane_of(endpoint, endpoint_inactive=True)
        pause(endpoint)
        assert sweep.recover() == 0
        lane.refresh_from_db()
        assert lane.endpoint_inactive
        Endpoint.objects.filter(pk=endpoint.pk).update(state="active")  # without a notification
        assert sweep.recover() == 0
        lane.refresh_from_db()
        assert (lane.endpoint_inactive, lane.due_at is not None) == (False, True)
        assert notified == [set()]

    def test_recover_makes_the_lane_of_a_deleted_endpoint_due(self) -> None:
        endpoint = make_endpoint()
        lane = lane_of(endpoint, endpoint_inactive=True)
        delete_endpoint(endpoint)
        sweep.recover()
        lane.refresh_from_db()
        assert not lane.endpoint_inactive


class TestSweep:
    def test_sweep_without_pending_deliveries_notifies_no_drain(self, notified: list[set[UUID]]) -> None:
        lane_of(make_endpoint())
        sweep.sweep()
        assert notified == []

    def test_sweep_creates_missing_lanes(self, notified: list[set[UUID]]) -> None:
        endpoint = make_endpoint()
        make_pending(endpoint)
        sweep.sweep()
        assert Lane.objects.get(endpoint=endpoint).due_at is not None
        assert notified == [{endpoint.id}]

    def test_sweep_makes_a_free_lane_with_pending_deliveries_due(self, notified: list[set[UUID]]) -> None:
        endpoint = make_endpoint()
        lane = lane_of(endpoint)
        make_pending(endpoint)
        sweep.sweep()
        lane.refresh_from_db()
        assert lane.due_at is not None
        assert len(notified) == 1

    def test_sweep_leaves_a_leased_lane_to_its_owner(self, notified: list[set[UUID]]) -> None:
        endpoint = make_endpoint()
        lane = lane_of(endpoint, owner=new_id(), due_at=timezone.now() + AGO)
        make_pending(endpoint)
        sweep.sweep()
        before, _ = lane.due_at, lane.refresh_from_db()
        assert lane.due_at == before
        assert notified == []

    def test_sweep_raises_deliveries_to_the_low_water_mark(self, notified: list[set[UUID]]) -> None:
        endpoint = make_endpoint()
        lane = lane_of(endpoint, low_water_mark=timezone.now() - AGO / 2)
        late = make_pending(endpoint)
        sweep.sweep()
        late.refresh_from_db()
        assert late.next_attempt_at is not None
        assert late.next_attempt_at >= lane.low_water_mark
        assert notified == [{endpoint.id}]

    def test_sweep_dead_letters_after_a_week_at_a_paused_endpoint(self) -> None:
        endpoint = make_endpoint()
        pause(endpoint)
        lane_of(endpoint, endpoint_inactive=True)
        week = timedelta(seconds=sweep.EXPIRES_AFTER)
        old = make_pending(endpoint, next_attempt_at=timezone.now() - week - AGO)
        young = make_pending(endpoint, next_attempt_at=timezone.now() - week + AGO)
        sweep.sweep()
        assert DeadLetter.objects.get().delivery_id == old.pk
        assert DeadLetter.objects.get().cause == "expired"
        young.refresh_from_db()
        assert young.state == "pending"
        resume(endpoint)
        sweep.recover()
        assert not Lane.objects.get().endpoint_inactive


def test_sweep_makes_alert_rules_due_that_were_evaluated_before_the_clock_went_back() -> None:
    rules = AlertRule.objects.filter(due_at__isnull=False)
    first, second = rules.values_list("pk", flat=True)[:2]
    soon = timezone.now() + timedelta(seconds=LONGEST_RULE_PERIOD - 1)
    rules.filter(pk=first).update(due_at=timezone.now() + timedelta(hours=1))
    rules.filter(pk=second).update(due_at=soon)
    sweep.sweep()
    assert rules.get(pk=first).due_at <= timezone.now()
    assert rules.get(pk=second).due_at == soon
    assert max(it.every for it in CONDITIONS.values()) <= LONGEST_RULE_PERIOD
