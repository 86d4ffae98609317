"""Holding deliveries between claim and attempt, in memory."""

from datetime import UTC, datetime
from uuid import UUID

from delivery.sending.claimed_ahead import MAX_HELD, ClaimedAhead, Held
from delivery.sql.claim import Claimed
from webhooks.wire.ids import new_id

TENANT, OTHER, TOKEN = new_id(), new_id(), new_id()


def held(endpoint_id: UUID, until: float = 1.0, tenant_id: UUID = TENANT) -> Held:
    claimed = Claimed(new_id(), endpoint_id, new_id(), 0, 0, datetime.now(UTC), b"{}", rendered=False)
    return Held(claimed, TOKEN, new_id(), tenant_id, until)


def holding(*them: Held) -> ClaimedAhead:
    ahead = ClaimedAhead()
    for it in them:
        ahead.add(it.claimed.endpoint_id, [it])
    return ahead


def test_pop_returns_the_oldest_of_an_endpoint_first() -> None:
    endpoint, other = new_id(), new_id()
    first, second, third = held(endpoint), held(other), held(endpoint)
    ahead = holding(first, second, third)
    assert ahead.pop(endpoint, 1) == [first]
    assert (ahead.count(endpoint), len(ahead)) == (1, 2)
    assert ahead.pop(endpoint) == [third]
    assert (list(ahead), ahead.pop(endpoint)) == ([other], [])


def test_pop_late_returns_what_must_not_be_sent_any_more() -> None:
    endpoint = new_id()
    early, late = held(endpoint, until=5.0), held(endpoint, until=9.0)
    ahead = holding(early, late)
    assert ahead.pop_late(5.0) == [early]
    assert ahead.pop(endpoint) == [late]


def test_pop_others_keeps_what_is_held_under_one_of_the_claims() -> None:
    endpoint = new_id()
    first, second, third = held(endpoint), held(endpoint), held(endpoint)
    ahead = holding(first, second, third)
    assert ahead.pop_others({(it.claimed.id, it.token) for it in (first, third)}) == [second]
    assert ahead.pop(endpoint) == [first, third]


def test_room_of_a_tenant_ends_where_it_holds_as_many_as_are_left() -> None:
    ahead = holding(*(held(new_id()) for _ in range(MAX_HELD // 2)))
    room = ahead.room()
    assert room.take(TENANT, MAX_HELD) == 0
    assert room.take(OTHER, MAX_HELD) == MAX_HELD // 4
    assert ahead.free == MAX_HELD // 2
