"""What became of an event at each endpoint of its tenant: sent, or why not. No endpoint goes unmentioned.

What is owed is told by its delivery, by the lane it waits in, and by its dead letter; what is not owed by the
endpoint's subscriptions, as they are now.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from delivery.models import DeadLetter, Delivery, Event, Lane
from subscriptions.models import Endpoint, Subscription
from subscriptions.routing.explain import NoMatchReason, explain_mismatch
from webhooks.wire.cloudevents.json_format import read_structured

__all__ = ["Explanation", "endpoints_for", "explain"]

MOST_REASONS = 20  # of one endpoint; the others are counted


@dataclass(frozen=True, slots=True)
class Explanation:
    """One endpoint: its delivery if the event is or was owed to it, and the reasons for where that stands."""

    endpoint: Endpoint
    delivery: Delivery | None
    reasons: tuple[NoMatchReason, ...]
    more_reasons: int = 0

    @property
    def outcome(self) -> str:
        """The state of the delivery, or ``not_owed``."""
        return "not_owed" if self.delivery is None else str(self.delivery.state)


def endpoints_for(event: Event) -> QuerySet[Endpoint]:
    """Every endpoint that an explanation of this event speaks of: those there are, and those it was owed to."""
    owed = Delivery.objects.filter(event=event).values("endpoint_id")
    return Endpoint.objects.filter(Q(deleted_at=None) | Q(id__in=owed), tenant_id=event.tenant_id)


def explain(event: Event, endpoints: Sequence[Endpoint]) -> list[Explanation]:
    """What became of the event at these endpoints of its tenant, in their order."""
    owed = {it.endpoint_id: it for it in Delivery.objects.filter(event=event, endpoint__in=endpoints).defer("body")}
    lanes = {it.endpoint_id: it for it in Lane.objects.filter(endpoint__in=list(owed))}
    letters = {it.delivery_id: it for it in DeadLetter.objects.filter(delivery__in=owed.values()).order_by("id")}
    wishes: dict[UUID, list[Subscription]] = {}
    unowed = [it for it in endpoints if it.id not in owed]
    for row in Subscription.objects.filter(endpoint__in=unowed).order_by("id").iterator():
        wishes.setdefault(row.endpoint_id, []).append(row)
    explained = []
    for endpoint in endpoints:
        delivery = owed.get(endpoint.id)
        if delivery is not None:
            reasons = list(_why_so(endpoint, delivery, lanes.get(endpoint.id), letters.get(delivery.id)))
        else:
            reasons = list(_why_not(event, endpoint, wishes.get(endpoint.id, [])))
        shown = tuple(reasons[:MOST_REASONS])
        explained.append(Explanation(endpoint, delivery, shown, len(reasons) - len(shown)))
    return explained


def _why_so(
    endpoint: Endpoint, delivery: Delivery, lane: Lane | None, letter: DeadLetter | None
) -> Iterator[NoMatchReason]:
    """Why a delivery is in the state it is in."""
    if delivery.state == Delivery.State.DEAD and letter is not None:
        words = letter.reason or DeadLetter.Cause(letter.cause).label
        yield NoMatchReason(str(letter.cause), f"It was given up: {words}.")
    elif delivery.state == Delivery.State.PENDING:
        yield from _why_waiting(endpoint, delivery, lane)
    else:
        yield NoMatchReason(str(delivery.state), SAID[delivery.state])


def _why_waiting(endpoint: Endpoint, delivery: Delivery, lane: Lane | None) -> Iterator[NoMatchReason]:
    now = timezone.now()
    if endpoint.state != Endpoint.State.ACTIVE:
        yield NoMatchReason(str(endpoint.state), f"It waits: the endpoint is {endpoint.state}. That costs no attempt.")
    if lane is not None and lane.tripped_until is not None:
        yield NoMatchReason("tripped", f"It waits: after {lane.failures} failures in a row the breaker is open.")
    if delivery.next_attempt_at is not None and delivery.next_attempt_at > now:
        after = f"after {delivery.attempts} failed attempts" if delivery.attempts else "as its first attempt"
        yield NoMatchReason("scheduled", f"It goes out {after} at {delivery.next_attempt_at:%Y-%m-%d %H:%M:%S} UTC.")
    else:
        yield NoMatchReason("due", "It is due: it goes out when its turn comes.")


def _why_not(event: Event, endpoint: Endpoint, subscriptions: Sequence[Subscription]) -> Iterator[NoMatchReason]:
    if endpoint.created_at > event.created_at:
        yield NoMatchReason("endpoint_created_later", "The endpoint was made after the event was taken.")
    if not subscriptions:
        yield NoMatchReason("no_subscription", "No subscription leads to this endpoint.")
    taken = read_structured(bytes(event.body)) if subscriptions else None
    for row in subscriptions:
        if taken is not None:
            yield explain_mismatch(row, event.type, taken.document, event.created_at)


SAID: dict[str, str] = {
    Delivery.State.DELIVERED: "The endpoint took it.",
    Delivery.State.SENDING: "An attempt is under way.",
    Delivery.State.CANCELLED: "It was cancelled before the endpoint took it.",
    Delivery.State.DEAD: "It was given up.",
}
