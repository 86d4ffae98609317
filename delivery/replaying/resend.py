"""Send one delivery again, in almost any state: a replay of one delivery, which is carried out at once.

The receiver sees the same ``webhook-id``, so one that deduplicates ignores what it has handled.
"""

from functools import partial

from django.db import transaction

from delivery import notify
from delivery.models import DeadLetter, Delivery, Event, Replay
from delivery.replaying import backfill, dead_letters
from delivery.replaying.replay_filter import ReplayFilter
from delivery.sql.cancel import make_due
from subscriptions.errors import StateConflict
from subscriptions.models import Endpoint
from webhooks.kit.sql import database_now


def resend(delivery: Delivery, by: str) -> None:
    """Make a finished delivery pending again, from the start of its retry plan; a pending one is due now.

    ``by``: who requested it, stored in the replay. An open circuit breaker lets one attempt through; the rate limit,
    the order and a pause of the endpoint still apply. Raises StateConflict for a delivery that is being sent, whose
    payload was erased, whose endpoint is disabled or deleted, whose transformation fails again or has no subscription
    any more, that has no open dead letter, or that another request has changed meanwhile.
    """
    with transaction.atomic():
        event = Event.objects.select_for_update(no_key=True).only("payload_deleted_at").get(id=delivery.event_id)
        state = _state(delivery)
        if state == Delivery.State.SENDING:
            raise StateConflict("state", "An attempt is in progress; wait for its result.")
        _check(event, delivery.endpoint)
        if state != Delivery.State.PENDING and not _replay(delivery, state, by):
            raise StateConflict("state", _reason(delivery, state))
        make_due(delivery.id, delivery.endpoint_id)
        transaction.on_commit(partial(notify.notify_drains, {delivery.endpoint_id}))


def _state(delivery: Delivery) -> str:
    return Delivery.objects.values_list("state", flat=True).get(id=delivery.id)


def _check(event: Event, endpoint: Endpoint) -> None:
    if event.payload_deleted_at is not None:
        raise StateConflict("event", "Its payload was erased, so nothing can be sent.")
    if endpoint.deleted_at is not None:
        raise StateConflict("endpoint", "The endpoint was deleted.")
    if endpoint.state == Endpoint.State.DISABLED:
        raise StateConflict("endpoint", "The endpoint is disabled; set its state to active first.")


def _replay(delivery: Delivery, state: str, by: str) -> bool:
    """Carry out a replay of this delivery; return whether it is pending now. The caller has locked the event."""
    if state == Delivery.State.DEAD:
        letters = tuple(DeadLetter.objects.filter(delivery=delivery, closed_at=None).values_list("id", flat=True))
        if not letters:  # a filter without ids would select those of all deliveries
            return False
        run, selected = dead_letters.run_slice, ReplayFilter(ids=letters)
    else:
        ids, endpoint = (delivery.event_id,), delivery.endpoint_id
        run = backfill.run_slice
        selected = ReplayFilter(ids=ids, endpoint=endpoint, force=True, scope=Replay.Scope.EVENTS)
    now = database_now()
    row = Replay.objects.create(
        tenant=delivery.tenant,
        scope=selected.scope,
        filter=selected.as_json(),
        requested_by=by[:256],
        until_at=now,
        total=1,
        replayed=1,
        state=Replay.State.FINISHED,
        finished_at=now,
    )
    return delivery.endpoint_id in run(row, selected, 1).endpoints


def _reason(delivery: Delivery, state: str) -> str:
    """Return why a delivery that had this state was not replayed."""
    if (now := _state(delivery)) != state:
        return f"Another request has changed it meanwhile: it is {now} now."
    if state == Delivery.State.DEAD:
        letter = DeadLetter.objects.filter(delivery=delivery, closed_at=None).select_related("delivery__event").first()
        if letter is None:
            return "It stays dead: its dead letter was discarded, or is gone."
        if reason := dead_letters.reason_to_stay_dead(letter):
            return f"It stays dead: {reason}"
    return "Another request has sent it again meanwhile; read it, and repeat this request if need be."
