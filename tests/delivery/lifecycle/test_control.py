"""What has not ended can be cancelled, sent now or parked, whoever has it in hand; what has ended is left alone."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone

from delivery.lifecycle import cancel as cancelling
from delivery.lifecycle.cancel import cancel, cancel_matching, count_matching
from delivery.lifecycle.send_now import send_now
from delivery.lifecycle.set_aside import set_aside
from delivery.models import Attempt, DeadLetter, Delivery, Lane
from delivery.replaying.replay_filter import DELIVERIES, ReplayFilter
from delivery.sql.claim import MAX_ATTEMPTS_COUNTED, Claimed, ClaimRequest, attempt_number, claim_deliveries
from delivery.sql.recovery import recover_claims
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


def owed(endpoint: Endpoint, **changes: Any) -> Delivery:
    """Due for a minute, unless it says otherwise."""
    return make_delivery(make_event(endpoint.tenant, created_at=timezone.now() - AGE), endpoint, **changes)


def claim(endpoint: Endpoint, *, ordered: bool = False, most: int = 10) -> tuple[UUID, list[Claimed]]:
    token = new_id()
    return token, claim_deliveries(token, [ClaimRequest(endpoint.id, most, EPOCH, 30.0, ordered)])


def settled(token: UUID, claimed: Claimed, state: str = "delivered") -> set[UUID]:
    """Its attempt has come to this."""
    it = Settlement(
        id=claimed.id,
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
        return settle_attempts([it])


class TestCancelling:
    def test_what_is_pending_is_never_sent(self, endpoint: Endpoint) -> None:
        delivery = owed(endpoint)
        assert cancel(delivery, "ops")
        delivery.refresh_from_db()
        assert (delivery.state, delivery.next_attempt_at, delivery.cancelled_by) == ("cancelled", None, "ops")
        assert delivery.cancelled_at is not None
        assert claim(endpoint)[1] == []

    def test_a_second_time_changes_nothing(self, endpoint: Endpoint) -> None:
        delivery = owed(endpoint)
        assert cancel(delivery, "one")
        assert not cancel(delivery, "two")
        delivery.refresh_from_db()
        assert delivery.cancelled_by == "one"

    @pytest.mark.parametrize("state", ["delivered", "dead", "cancelled"])
    def test_what_has_ended_stays_as_it_is(self, endpoint: Endpoint, state: str) -> None:
        delivery = owed(endpoint, state=state)
        assert not cancel(delivery, "ops")
        delivery.refresh_from_db()
        assert (delivery.state, delivery.cancelled_by) == (state, None)

    @pytest.mark.parametrize("came_to", ["delivered", "pending"])
    def test_what_a_drain_has_claimed_is_taken_from_it_and_its_attempt_is_on_record(
        self, endpoint: Endpoint, came_to: str
    ) -> None:
        delivery = owed(endpoint)
        token, [claimed] = claim(endpoint)
        assert cancel(delivery, "ops")
        assert settled(token, claimed, came_to) == set()
        delivery.refresh_from_db()
        assert (delivery.state, delivery.attempts, delivery.token) == ("cancelled", 1, None)
        assert Attempt.objects.get().number == 1

    def test_the_next_of_an_ordered_key_goes_when_its_head_is_skipped(self, endpoint: Endpoint) -> None:
        Endpoint.objects.update(ordering="subject")
        later = timezone.now() + timedelta(hours=1)
        head = owed(endpoint, order_key="a", attempts=1, next_attempt_at=later)
        behind = owed(endpoint, order_key="a")
        assert claim(endpoint, ordered=True)[1] == []
        assert cancel(head, "ops")
        assert [it.id for it in claim(endpoint, ordered=True)[1]] == [behind.id]


@pytest.mark.django_db(transaction=True)
def test_a_cancellation_and_a_claim_at_the_same_moment_leave_no_delivery_in_between() -> None:
    endpoint = make_endpoint()
    deliveries = [owed(endpoint) for _ in range(30)]
    works = [lambda it=it: cancel(it, "ops") for it in deliveries]
    claims = [lambda: claim(endpoint, most=10) for _ in range(3)]
    results = in_threads(*works, *claims)
    assert [it for it in results if isinstance(it, Exception)] == []
    for token, claimed in results[len(works) :]:
        for it in claimed:
            assert settled(token, it) == set()
    assert {*Delivery.objects.values_list("state", "token")} == {("cancelled", None)}


class TestMany:
    @pytest.mark.parametrize(
        ("field", "found"), [("nothing", 3), ("endpoint", 2), ("type", 1), ("since", 1), ("until", 2), ("ids", 1)]
    )
    def test_each_field_narrows_and_the_count_says_so_first(self, endpoint: Endpoint, field: str, found: int) -> None:
        ago = datetime.now(UTC) - timedelta(hours=2)
        other = make_endpoint(endpoint.tenant)
        first = make_delivery(make_event(endpoint.tenant, created_at=ago, type="rare"), endpoint)
        make_delivery(make_event(endpoint.tenant, created_at=ago), endpoint, state="sending")
        owed(other)
        owed(endpoint, state="delivered")
        owed(make_endpoint())
        hour = datetime.now(UTC) - timedelta(hours=1)
        wanted: dict[str, Any] = {
            "nothing": {},
            "endpoint": {"endpoint": endpoint.id},
            "type": {"type": "rare"},
            "since": {"since": hour},
            "until": {"until": hour},
            "ids": {"ids": (first.id,)},
        }[field]
        asked = ReplayFilter(**wanted, scope=DELIVERIES)
        assert count_matching(endpoint.tenant, asked) == (found, False)
        assert cancel_matching(endpoint.tenant, asked, "ops") == (found, False)
        assert Delivery.objects.filter(state="cancelled").count() == found
        assert cancel_matching(endpoint.tenant, asked, "ops") == (0, False)

    def test_more_than_a_call_has_time_for_is_left_for_the_next(
        self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cancelling, "BATCH", 2)
        monkeypatch.setattr(cancelling, "BUDGET", 0.0)
        for _ in range(5):
            owed(endpoint)
        everything = ReplayFilter(scope=DELIVERIES)
        assert cancel_matching(endpoint.tenant, everything, "ops") == (2, True)
        monkeypatch.setattr(cancelling, "BUDGET", 60.0)
        assert cancel_matching(endpoint.tenant, everything, "ops") == (3, False)


class TestSendingNow:
    def test_it_is_due_ahead_of_its_plan_and_keeps_its_place_in_it(
        self, endpoint: Endpoint, django_capture_on_commit_callbacks: Any
    ) -> None:
        delivery = owed(endpoint, step=4, next_attempt_at=timezone.now() + timedelta(hours=5))
        Lane.objects.create(endpoint=endpoint, tenant=endpoint.tenant, due_at=timezone.now() + timedelta(hours=5))
        for _ in range(2):
            with django_capture_on_commit_callbacks(execute=True):
                assert send_now(delivery)
        assert Lane.objects.get().due_at <= timezone.now()
        assert [(it.id, it.step) for it in claim(endpoint)[1]] == [(delivery.id, 4)]

    def test_an_open_breaker_lets_its_probe_through(
        self, endpoint: Endpoint, django_capture_on_commit_callbacks: Any
    ) -> None:
        delivery = owed(endpoint)
        soon = timezone.now() + timedelta(minutes=15)
        Lane.objects.create(
            endpoint=endpoint, tenant=endpoint.tenant, due_at=soon, circuit_open_until=soon, open_count=3
        )
        with django_capture_on_commit_callbacks(execute=True):
            assert send_now(delivery)
        lane = Lane.objects.get()
        assert lane.open_count == 3
        assert lane.due_at is not None
        assert lane.due_at <= timezone.now()

    @pytest.mark.parametrize(("state", "waits"), [("sending", True), ("delivered", False), ("dead", False)])
    def test_what_is_not_pending_is_left_alone(self, endpoint: Endpoint, state: str, waits: bool) -> None:
        delivery = owed(endpoint, state=state)
        assert send_now(delivery) is waits
        delivery.refresh_from_db()
        assert delivery.state == state


class TestParking:
    @pytest.mark.parametrize("state", ["pending", "sending"])
    def test_it_is_a_dead_letter_that_says_who_set_it_aside(self, endpoint: Endpoint, state: str) -> None:
        delivery = owed(endpoint, state=state)
        assert set_aside(delivery, "ops")
        assert not set_aside(delivery, "ops")
        letter = DeadLetter.objects.get()
        assert (letter.cause, letter.reason, letter.replayed_at) == ("set_aside", "Set aside by ops.", None)
        delivery.refresh_from_db()
        assert (delivery.state, delivery.token) == ("dead", None)

    @pytest.mark.parametrize("state", ["delivered", "cancelled", "dead"])
    def test_what_has_ended_is_not_parked(self, endpoint: Endpoint, state: str) -> None:
        assert not set_aside(owed(endpoint, state=state), "ops")
        assert not DeadLetter.objects.exists()


@pytest.mark.parametrize("end", ["recovered", "set aside", "settled"])
def test_a_delivery_that_was_replayed_without_end_stops_nobody(endpoint: Endpoint, end: str) -> None:
    delivery = owed(endpoint, attempts=MAX_ATTEMPTS_COUNTED - 1)
    for _ in range(2):
        Delivery.objects.update(state="pending", next_attempt_at=delivery.next_attempt_at, token=None)
        token, (claimed,) = claim(endpoint)
        delivery.refresh_from_db()
        if end == "rescued":
            Delivery.objects.update(claimed_until=timezone.now() - AGE)
            recover_claims()
        elif end == "set aside":
            set_aside(delivery, "me")
        else:
            settled(token, claimed, "pending")
    delivery.refresh_from_db()
    assert delivery.attempts == MAX_ATTEMPTS_COUNTED
