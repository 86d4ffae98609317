"""Dead-lettering the pending deliveries of an endpoint, and those that expired; replaying dead letters."""

import pytest

from delivery.models import DeadLetter, Delivery
from delivery.sql.dead_letters import ReplayedLetter, end_expired, end_pending, replay_dead_letters
from tests.delivery.factories import make_dead_letter, make_replay
from tests.delivery.sql.factories import (
    EPOCH,
    HOUR,
    make_deliveries,
    make_lane,
    now,
)
from tests.factories import make_endpoint


@pytest.mark.django_db
class TestDeadLetterPending:
    def test_pending_deliveries_are_dead_lettered_with_the_cause(self) -> None:
        endpoint = make_endpoint()
        pending = make_deliveries(endpoint, 3, attempts=2, last_status=500, last_error="status")
        sending, delivered = (
            make_deliveries(endpoint, state="sending")[0],
            make_deliveries(endpoint, state="delivered")[0],
        )
        assert len(end_pending(endpoint.id, "responded_410", EPOCH).ids) == 3
        letters = DeadLetter.objects.filter(endpoint=endpoint, tenant=endpoint.tenant, cause="responded_410")
        assert {it.delivery_id for it in letters} == {it.id for it in pending}
        assert {(it.attempts, it.last_status, it.last_error) for it in letters} == {(2, 500, "status")}
        states = dict(Delivery.objects.values_list("id", "state"))
        assert {states[it.id] for it in pending} == {"dead"}
        assert (states[sending.id], states[delivered.id]) == ("sending", "delivered")

    def test_limit_bounds_one_call(self) -> None:
        endpoint = make_endpoint()
        make_deliveries(endpoint, 5)
        counts = [len(end_pending(endpoint.id, "responded_410", EPOCH, limit=2).ids) for _ in range(4)]
        assert counts == [2, 2, 1, 0]

    def test_slice_begins_where_the_one_before_ended(self) -> None:
        endpoint = make_endpoint()
        pending = [make_deliveries(endpoint, next_attempt_at=now() - n * HOUR)[0] for n in (4, 3, 2, 1)]
        first = end_pending(endpoint.id, "responded_410", EPOCH, limit=2)
        assert (set(first.ids), first.until) == ({it.id for it in pending[:2]}, pending[1].next_attempt_at)
        assert first.until is not None
        (late,) = make_deliveries(endpoint, next_attempt_at=now() - 5 * HOUR)
        second = end_pending(endpoint.id, "responded_410", first.until)
        assert (set(second.ids), second.until) == ({it.id for it in pending[2:]}, pending[3].next_attempt_at)
        assert end_pending(endpoint.id, "responded_410", EPOCH).ids == [late.id]
        assert end_pending(endpoint.id, "responded_410", EPOCH) == ([], None)

    def test_other_endpoints_are_left_unchanged(self) -> None:
        neighbour = make_endpoint()
        make_deliveries(neighbour)
        assert end_pending(make_endpoint(neighbour.tenant).id, "responded_410", EPOCH).ids == []


@pytest.mark.django_db
class TestDeadLetterExpired:
    def test_deliveries_of_an_inactive_endpoint_expire(self) -> None:
        lane = make_lane(endpoint_inactive=True)
        (old,) = make_deliveries(lane.endpoint, next_attempt_at=now() - 2 * HOUR)
        (young,) = make_deliveries(lane.endpoint, next_attempt_at=now() - HOUR)
        assert end_expired(1.5 * 3600) == [old.id]
        letter = DeadLetter.objects.get()
        assert (letter.delivery_id, letter.cause) == (old.id, "expired")
        states = dict(Delivery.objects.values_list("id", "state"))
        assert (states[old.id], states[young.id]) == ("dead", "pending")

    def test_deliveries_of_an_active_endpoint_do_not_expire(self) -> None:
        make_deliveries(make_lane(due_at=now()).endpoint, next_attempt_at=now() - 2 * HOUR)
        assert end_expired(3600) == []


@pytest.mark.django_db
class TestReplayDeadLetters:
    def test_replay_makes_the_delivery_pending_and_closes_its_dead_letter(self) -> None:
        endpoint = make_endpoint()
        (delivery,) = make_deliveries(endpoint, attempts=10, step=9, claims=3, body=b"old")
        letter = make_dead_letter(delivery)
        replay = make_replay(endpoint.tenant)
        assert replay_dead_letters(replay.id, "ops", [ReplayedLetter(letter.id)]) == [endpoint.id]
        delivery.refresh_from_db()
        assert delivery.state == "pending"
        assert delivery.next_attempt_at is not None
        assert delivery.next_attempt_at == delivery.started_at > now()  # later than the transaction began
        assert (delivery.attempts, delivery.step, delivery.claims) == (10, 0, 0)
        assert (delivery.replay_id, bytes(delivery.body or b"")) == (replay.id, b"old")
        letter.refresh_from_db()
        assert (letter.closed_at, letter.closed_by, letter.replay_id) == (now(), "ops", replay.id)

    def test_replay_with_a_new_body_replaces_the_old(self) -> None:
        (delivery,) = make_deliveries(make_endpoint(), body=b"old")
        letter = make_dead_letter(delivery)
        replay_dead_letters(make_replay(None).id, "ops", [ReplayedLetter(letter.id, b"new", "text/xml")])
        delivery.refresh_from_db()
        assert (bytes(delivery.body or b""), delivery.content_type) == (b"new", "text/xml")
        delivery.state = Delivery.State.DEAD
        delivery.save()
        replay_dead_letters(make_replay(None).id, "ops", [ReplayedLetter(make_dead_letter(delivery).id)])
        delivery.refresh_from_db()
        assert (bytes(delivery.body or b""), delivery.content_type) == (b"new", "text/xml")

    def test_replay_of_a_closed_dead_letter_changes_nothing(self) -> None:
        (delivery,) = make_deliveries(make_endpoint())
        letter = make_dead_letter(delivery)
        first, second = make_replay(None), make_replay(None)
        replay_dead_letters(first.id, "one", [ReplayedLetter(letter.id)])
        assert replay_dead_letters(second.id, "other", [ReplayedLetter(letter.id)]) == []
        letter.refresh_from_db()
        assert (letter.closed_by, letter.replay_id) == ("one", first.id)
