"""Cancelling pending deliveries, deliveries that are being sent, and all that match a filter."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone

from delivery.lifecycle import cancel as cancel_module
from delivery.lifecycle.cancel import cancel, cancel_matching, count_matching
from delivery.models import Attempt, Delivery
from delivery.replaying.replay_filter import DELIVERIES, ReplayFilter
from delivery.sql.claim import Claimed, ClaimRequest, attempt_number, claim_deliveries
from delivery.sql.keyed.order_heads import HeadSearch
from delivery.sql.settle import Settlement, settle_attempts
from subscriptions.models import Endpoint
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint
from tests.threads import in_threads
from webhooks.wire.ids import new_id

pytestmark = pytest.mark.django_db

AGE = timedelta(minutes=1)
EPOCH = datetime.fromtimestamp(0, UTC)


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


def make_pending(endpoint: Endpoint, **changes: Any) -> Delivery:
    """Create a delivery that has been due for a minute."""
    return make_delivery(make_event(endpoint.tenant, created_at=timezone.now() - AGE), endpoint, **changes)


def claim(endpoint: Endpoint, *, ordered: bool = False, most: int = 10) -> tuple[UUID, list[Claimed]]:
    token = new_id()
    heads = HeadSearch() if ordered else None
    return token, claim_deliveries(token, [ClaimRequest(endpoint.id, most, EPOCH, 30.0, heads)])


def settle(token: UUID, claimed: Claimed, state: str = "delivered") -> set[UUID]:
    """Settle the attempt with this state; return the ids of the attempts whose verdict counted."""
    it = Settlement(
        delivery_id=claimed.id,
        token=token,
        endpoint_id=claimed.endpoint_id,
        state=state,
        wait=5.0,
        cause="",
        attempt_id=new_id(),
        number=attempt_number(claimed),
        started_at=timezone.now(),
        duration_ms=5,
        status=200 if state == "delivered" else 500,
        error="" if state == "delivered" else "status",
        response=None,
    )
    with transaction.atomic():
        return {settled.attempt_id for settled in settle_attempts([it])}


class TestCancel:
    def test_cancelled_pending_delivery_is_not_claimed(self, endpoint: Endpoint) -> None:
        delivery = make_pending(endpoint)
        assert cancel(delivery, "ops")
        delivery.refresh_from_db()
        assert (delivery.state, delivery.next_attempt_at, delivery.cancelled_by) == ("cancelled", None, "ops")
        assert delivery.cancelled_at is not None
        assert claim(endpoint)[1] == []

    def test_cancel_of_a_cancelled_delivery_changes_nothing(self, endpoint: Endpoint) -> None:
        delivery = make_pending(endpoint)
        assert cancel(delivery, "one")
        assert not cancel(delivery, "two")
        delivery.refresh_from_db()
        assert delivery.cancelled_by == "one"

    @pytest.mark.parametrize("state", ["delivered", "dead", "cancelled"])
    def test_cancel_of_a_finished_delivery_changes_nothing(self, endpoint: Endpoint, state: str) -> None:
        delivery = make_pending(endpoint, state=state)
        assert not cancel(delivery, "ops")
        delivery.refresh_from_db()
        assert (delivery.state, delivery.cancelled_by) == (state, None)

    @pytest.mark.parametrize("came_to", ["delivered", "pending"])
    def test_cancel_of_a_claimed_delivery_voids_the_claim_and_records_the_attempt(
        self, endpoint: Endpoint, came_to: str
    ) -> None:
        delivery = make_pending(endpoint)
        token, [claimed] = claim(endpoint)
        assert cancel(delivery, "ops")
        assert settle(token, claimed, came_to) == set()
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts, delivery.token) == ("cancelled", 1, None)
        assert Attempt.objects.get().number == 1

    def test_cancel_of_the_head_of_a_key_releases_the_next_delivery(self, endpoint: Endpoint) -> None:
        Endpoint.objects.update(ordering="subject")
        later = timezone.now() + timedelta(hours=1)
        head = make_pending(endpoint, order_key="a", attempts=1, next_attempt_at=later)
        behind = make_pending(endpoint, order_key="a")
        assert claim(endpoint, ordered=True)[1] == []
        assert cancel(head, "ops")
        assert [it.id for it in claim(endpoint, ordered=True)[1]] == [behind.id]


@pytest.mark.django_db(transaction=True)
def test_cancel_and_claim_at_once_cancel_every_delivery() -> None:
    endpoint = make_endpoint()
    deliveries = [make_pending(endpoint) for _ in range(30)]
    works = [lambda it=it: cancel(it, "ops") for it in deliveries]
    claims = [lambda: claim(endpoint, most=10) for _ in range(3)]
    results = in_threads(*works, *claims)
    assert [it for it in results if isinstance(it, Exception)] == []
    for token, claimed in results[len(works) :]:
        for it in claimed:
            assert settle(token, it) == set()
    assert {*Delivery.objects.values_list("state", "token")} == {("cancelled", None)}


class TestCancelMatching:
    @pytest.mark.parametrize(
        ("field", "found"), [("nothing", 3), ("endpoint", 2), ("type", 1), ("since", 1), ("until", 2), ("ids", 1)]
    )
    def test_each_filter_field_selects_as_counted_before(self, endpoint: Endpoint, field: str, found: int) -> None:
        ago = datetime.now(UTC) - timedelta(hours=2)
        other = make_endpoint(endpoint.tenant)
        first = make_delivery(make_event(endpoint.tenant, created_at=ago, type="rare"), endpoint)
        make_delivery(make_event(endpoint.tenant, created_at=ago), endpoint, state="sending")
        make_pending(other)
        make_pending(endpoint, state="delivered")
        make_pending(make_endpoint())
        hour = datetime.now(UTC) - timedelta(hours=1)
        filters: dict[str, Any] = {
            "nothing": {},
            "endpoint": {"endpoint": endpoint.id},
            "type": {"type": "rare"},
            "since": {"since": hour},
            "until": {"until": hour},
            "ids": {"ids": (first.id,)},
        }[field]
        selected = ReplayFilter(**filters, scope=DELIVERIES)
        assert count_matching(endpoint.tenant, selected) == (found, False)
        assert cancel_matching(endpoint.tenant, selected, "ops") == (found, False)
        assert Delivery.objects.filter(state="cancelled").count() == found
        assert cancel_matching(endpoint.tenant, selected, "ops") == (0, False)

    def test_cancel_matching_beyond_its_budget_continues_with_the_next_call(
        self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cancel_module, "BATCH", 2)
        monkeypatch.setattr(cancel_module, "BUDGET", 0.0)
        for _ in range(5):
            make_pending(endpoint)
        everything = ReplayFilter(scope=DELIVERIES)
        assert cancel_matching(endpoint.tenant, everything, "ops") == (2, True)
        monkeypatch.setattr(cancel_module, "BUDGET", 60.0)
        assert cancel_matching(endpoint.tenant, everything, "ops") == (3, False)
