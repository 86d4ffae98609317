"""Hand out what is due in a pulled endpoint, oldest first, in an ordered one the oldest of each order key.

Handing out is a claim under a new token that lasts for the visibility timeout, committed before the consumer gets
anything. It is safe between consumers and processes, as claims of drains are. A consumer that continues its session
(``after``) and did not get what it was handed out last gets that again at once.
"""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction

from delivery.pulling.cursor import Cursor, new_session
from delivery.pulling.lapsed import settle_lapsed
from delivery.pulling.message import PulledMessage, message_for_consumer
from delivery.pulling.position import QueuePosition, queue_position
from delivery.pulling.reports import visibility_of
from delivery.pulling.unreadable import settle_unreadable
from delivery.sql.claim import BodyAllowance, Claimed, claim_deliveries
from delivery.sql.pulled.handed_out import (
    count_handed_out,
    lock_rate,
    note_pull,
    release_after,
    seconds_to_next_change,
    store_rate,
)
from subscriptions.errors import StateConflict
from subscriptions.models import Endpoint
from subscriptions.routing.targets import DeliveryTarget, load_targets
from webhooks.kit.rate_limit import RateLimit
from webhooks.wire.ids import new_id

MAX_BODIES = 8 * 1024 * 1024  # bytes of large bodies in one response; one more body may exceed it
MAX_LOOKS = 8  # claims of one pull in an ordered endpoint, each of which walks a part of its order keys


@dataclass(frozen=True, slots=True)
class Pulled:
    """The messages that a consumer gets. ``cursor``: the position behind them. ``state``: of the endpoint.

    ``wait``: in how many seconds there may be more, if nothing is published; None: that is not known.
    """

    cursor: Cursor
    state: str
    messages: Sequence[PulledMessage] = ()
    wait: float | None = field(default=None, compare=False)


def pull(endpoint_id: UUID, limit: int, after: Cursor | None = None, *, is_resumed: bool = True) -> Pulled:
    """Hand out up to ``limit`` messages; none while the endpoint is not active.

    ``after``: the position of the session; None: a new one. ``is_resumed``: what the session was handed out behind it
    did not arrive, and is released. Raises Endpoint.DoesNotExist if the endpoint was deleted, StateConflict if it has
    no usable secret.
    """
    target = _target(endpoint_id)
    session = new_session() if after is None else after
    if after is not None and is_resumed:
        release_after(endpoint_id, *after)
    if not target.is_active:
        return Pulled(session, target.state)
    with queue_position(endpoint_id) as position:
        if position.must_note():
            note_pull(endpoint_id)
        token = new_id()
        with transaction.atomic() if target.rate_limit else nullcontext():
            claimed, ready_in = _claim_allowed(target, limit, token, session.consumer, position)
        wait = 0.0 if not position.is_searched else ready_in
    messages = _messages(target, token, claimed)
    if messages:
        return Pulled(Cursor(session.consumer, token, messages[-1].delivery_id), target.state, messages)
    if claimed:
        wait = 0.0  # none of them could be read
    return Pulled(session, target.state, wait=seconds_to_next_change(endpoint_id) if wait is None else wait)


def release(endpoint_id: UUID, before: Cursor) -> None:
    """Release what was handed out behind this position: the consumer has gone before it was sent."""
    release_after(endpoint_id, *before)


def _target(endpoint_id: UUID) -> DeliveryTarget:
    target = load_targets([endpoint_id]).get(endpoint_id)
    if target is None:
        raise Endpoint.DoesNotExist
    if target.signer is None:
        raise StateConflict("secret", "The endpoint has no signing secret that can be used; create a new one.")
    return target


def _claim_allowed(
    target: DeliveryTarget, limit: int, token: UUID, consumer: UUID, position: QueuePosition
) -> tuple[list[Claimed], float | None]:
    """Claim what number and rate of messages allow; return in how many seconds the rate allows the next one.

    That is None if the rate is not what limits. Call in a transaction if there is a rate limit.
    """
    limit = min(limit, target.max_in_flight - count_handed_out(target.endpoint_id))
    if target.rate_limit is None:
        return _claim_or_settle(target, limit, token, consumer, position), None
    locked = lock_rate(target.endpoint_id)
    if locked is None:
        return [], None
    next_slot, now = locked
    rate = RateLimit(target.rate_limit, next_slot, target.rate_burst)
    rate.change(target.rate_limit, target.rate_burst, now)
    allowed = int(min(limit, rate.tokens(now)))
    if allowed <= 0:
        return [], None if limit <= 0 else rate.ready_at(now) - now
    claimed = _claim_or_settle(target, allowed, token, consumer, position)
    if claimed:
        rate.spend(len(claimed), now)
        store_rate(target.endpoint_id, rate.next_slot)
    return claimed, None


def _claim_or_settle(
    target: DeliveryTarget, limit: int, token: UUID, consumer: UUID, position: QueuePosition
) -> list[Claimed]:
    """Claim; if there is too little, settle what was not acknowledged in time, and claim that too."""
    claimed = _claim(target, limit, token, consumer, position)
    if len(claimed) < limit and position.is_searched and settle_lapsed(target.endpoint_id):
        claimed += _claim(target, limit - len(claimed), token, consumer, position)
    return claimed


def _claim(target: DeliveryTarget, limit: int, token: UUID, consumer: UUID, position: QueuePosition) -> list[Claimed]:
    position.begin(target)
    claimed: list[Claimed] = []
    for _ in range(MAX_LOOKS):
        if len(claimed) >= limit:
            break
        request = position.request(target, limit - len(claimed), visibility_of(target))
        allowance = BodyAllowance(MAX_BODIES, {target.tenant_id: MAX_BODIES})
        found = claim_deliveries(token, [request], allowance, consumer=consumer)
        position.on_claimed(found)
        claimed += found
        if position.is_searched:
            break
    return claimed


def _messages(target: DeliveryTarget, token: UUID, claimed: Sequence[Claimed]) -> list[PulledMessage]:
    """Sign the claimed deliveries, in the order of their creation. What no key decrypts has failed."""
    if target.signer is None:
        return []
    now, visibility = time.time(), visibility_of(target)
    readable = sorted((it for it in claimed if not it.is_unreadable), key=lambda it: it.id.int)
    if len(readable) < len(claimed):
        settle_unreadable(target, token, [it for it in claimed if it.is_unreadable])
    return [message_for_consumer(it, target.signer, now, visibility) for it in readable]
