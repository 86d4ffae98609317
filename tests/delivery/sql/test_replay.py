"""Replaying dead letters."""

import pytest

from delivery.sql.replay import replay_dead_letters
from tests.delivery.factories import make_dead_letter, make_replay
from tests.delivery.sql.factories import (
    make_deliveries,
    now,
)
from tests.factories import make_endpoint


@pytest.mark.django_db
class TestReplayDeadLetters:
    def test_replay_makes_the_delivery_pending_and_closes_its_dead_letter(self) -> None:
        endpoint = make_endpoint()
        (delivery,) = make_deliveries(endpoint, attempts=10, step=9, claims=3, body=b"old")
        letter = make_dead_letter(delivery)
        replay = make_replay(endpoint.tenant)
        assert replay_dead_letters(replay.id, "ops", [(letter.id, None)]) == [endpoint.id]
        delivery.refresh_from_db()
        assert delivery.state == "pending"
        assert delivery.next_attempt_at is not None
        assert delivery.next_attempt_at == delivery.started_at > now()  # later than the transaction began
        assert (delivery.attempts, delivery.step, delivery.claims) == (10, 0, 0)
        assert (delivery.replay_id, bytes(delivery.body or b"")) == (replay.id, b"old")
        letter.refresh_from_db()
        assert (letter.replayed_at, letter.replayed_by, letter.replay_id) == (now(), "ops", replay.id)

    def test_replay_with_a_new_body_replaces_the_old(self) -> None:
        (delivery,) = make_deliveries(make_endpoint(), body=b"old")
        letter = make_dead_letter(delivery)
        replay_dead_letters(make_replay(None).id, "ops", [(letter.id, b"new")])
        delivery.refresh_from_db()
        assert bytes(delivery.body or b"") == b"new"

    def test_replay_of_a_closed_dead_letter_changes_nothing(self) -> None:
        (delivery,) = make_deliveries(make_endpoint())
        letter = make_dead_letter(delivery)
        first, second = make_replay(None), make_replay(None)
        replay_dead_letters(first.id, "one", [(letter.id, None)])
        assert replay_dead_letters(second.id, "other", [(letter.id, None)]) == []
        letter.refresh_from_db()
        assert (letter.replayed_by, letter.replay_id) == ("one", first.id)
