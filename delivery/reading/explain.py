"""Explain what became of an event at each endpoint of its tenant: delivered, waiting, failed, or not sent, and why.

An event with a delivery is explained by its delivery, lane and dead letter; one without by the endpoint's
subscriptions as they are now, or by its fan-out as long as that is deferred.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from delivery.models import DeadLetter, DeferredFanOut, DelayedEvent, Delivery, Event, Lane
from delivery.reading.endpoint_health import pause_message
from delivery.reading.explain_results import explain_named, explain_results
from delivery.reading.requests.shaping import ShownMask, masks_for
from delivery.sql.reading import count_ahead, find_head
from subscriptions.models import Endpoint, Grant, Subscription
from subscriptions.routing.explain import NoMatchReason, explain_mismatch, is_subscribed
from webhooks.kit.jobs.duration import duration
from webhooks.wire import ids
from webhooks.wire.cloudevents.json_format import read_structured
from webhooks.wire.step_budget import StepBudget

EXPLAIN_STEPS = 500_000  # of comparing patterns for one request: about 0.15 s of processor time
MAX_AHEAD = 10_000  # deliveries that are counted before one that is queued
MAX_REASONS = 20  # per endpoint; the others are counted
NOT_SENT = "not_sent"  # outcome at an endpoint for which the event has no delivery
DEFERRED = "deferred"  # the same, while a worker has to find out, also when its time comes
SCHEDULED, CANCELLED = "scheduled", "cancelled"  # reasons of an event with deliver_at
STATES: dict[str, str] = {
    Delivery.State.DELIVERED: "Delivered.",
    Delivery.State.SENDING: "An attempt is in progress.",
    Delivery.State.CANCELLED: "Cancelled before it was delivered.",
    Delivery.State.DEAD: "Failed permanently.",
    Delivery.State.SUPERSEDED: "Superseded: a newer delivery of its key was sent in its place.",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """One endpoint, its delivery of the event if there is one, and the reasons for the outcome."""

    endpoint: Endpoint
    delivery: Delivery | None
    reasons: tuple[NoMatchReason, ...]
    more_reasons: int = 0
    is_deferred: bool = False
    masks: Sequence[ShownMask] = ()

    @property
    def outcome(self) -> str:
        """The state of the delivery, or NOT_SENT or DEFERRED."""
        if self.delivery is not None:
            return str(self.delivery.state)
        return DEFERRED if self.is_deferred else NOT_SENT


def endpoints_for(event: Event) -> QuerySet[Endpoint]:
    """Return the endpoints to explain: those that exist, and deleted ones that have a delivery of the event."""
    with_delivery = Delivery.objects.filter(event=event).values("endpoint_id")
    found = Endpoint.objects.filter(Q(deleted_at=None) | Q(id__in=with_delivery), tenant_id=event.tenant_id)
    return found.select_related("http", "destination")


def why_nowhere(event: Event) -> str | None:
    """Return why no endpoint could receive the event, if that is so for all of them; else None."""
    if not Endpoint.objects.filter(tenant=event.tenant_id, deleted_at=None).exists():
        return "The tenant has no endpoints, so the event was sent nowhere. Create one with POST /endpoints."
    if not Subscription.objects.filter(tenant=event.tenant_id, active=True).exists():
        return (
            "The tenant has no active subscriptions, so no endpoint receives events. Create one with POST "
            "/subscriptions."
        )
    return None


def explain(event: Event, endpoints: Sequence[Endpoint]) -> list[Explanation]:
    """Explain the event at each of these endpoints, in their order."""
    found = Delivery.objects.filter(event=event, endpoint__in=endpoints).defer("body")
    deliveries = {delivery.endpoint_id: delivery for delivery in found}
    lanes = {lane.endpoint_id: lane for lane in Lane.objects.filter(endpoint__in=list(deliveries))}
    letters = {
        letter.delivery_id: letter
        for letter in DeadLetter.objects.filter(delivery__in=deliveries.values()).order_by("id")
    }
    fan_out: DeferredFanOut | None = getattr(event, "deferred_fan_out", None)
    not_routed = _why_not_routed(event, fan_out)
    unsent = [endpoint for endpoint in endpoints if endpoint.id not in deliveries] if not_routed is None else []
    subscriptions = _subscriptions(unsent)
    document, budget = cache(lambda: read_structured(bytes(event.body)).document()), StepBudget(EXPLAIN_STEPS)
    is_deferred = not_routed is not None and not_routed.code != CANCELLED
    results, named = explain_results(event, deliveries.values()), explain_named(event, endpoints)
    shared = _why_shared(event) if deliveries else None
    explained = []
    for endpoint in endpoints:
        delivery = deliveries.get(endpoint.id)
        if delivery is not None:
            reasons = [*filter(None, [shared, named.get(endpoint.id)])]
            reasons += _why_sent(endpoint, delivery, lanes.get(endpoint.id), letters.get(delivery.id))
            reasons += filter(None, [results.get(delivery.id)])
        elif not_routed is not None:
            reasons = [not_routed]
        else:
            rows = subscriptions.get(endpoint.id, [])
            reasons = list(_why_not_sent(event, endpoint, rows, document, budget))
        shown = tuple(reasons[:MAX_REASONS])
        explained.append(
            Explanation(
                endpoint, delivery, shown, len(reasons) - len(shown), is_deferred, masks_for(endpoint, event.type)
            )
        )
    return explained


def _subscriptions(endpoints: Sequence[Endpoint]) -> dict[UUID, list[Subscription]]:
    found: dict[UUID, list[Subscription]] = {}
    tenants = {endpoint.tenant_id for endpoint in endpoints}
    named, labelled = Q(endpoint__in=endpoints), Q(endpoint=None, tenant__in=tenants)
    for row in Subscription.objects.filter(named | labelled).order_by("id").iterator():
        for endpoint in endpoints:
            if is_subscribed(row, endpoint):
                found.setdefault(endpoint.id, []).append(row)
    return found


def _why_not_routed(event: Event, fan_out: DeferredFanOut | None) -> NoMatchReason | None:
    """Return why no deliveries of the event were created yet; None: its routing has ended."""
    delay: DelayedEvent | None = getattr(event, "delay", None)
    if delay is not None and delay.state == DelayedEvent.State.CANCELLED:
        return NoMatchReason(CANCELLED, f"Cancelled before its time, {delay.deliver_at:%Y-%m-%d %H:%M:%S} UTC.")
    if delay is not None and delay.state == DelayedEvent.State.WAITING:
        when = f"{delay.deliver_at:%Y-%m-%d %H:%M:%S} UTC"
        return NoMatchReason(SCHEDULED, f"Scheduled for {when}; subscriptions are matched then.")
    if fan_out is None:
        return None
    detail = f"Waiting to be routed by a worker. {DeferredFanOut.Reason(fan_out.reason).label}."
    return NoMatchReason(DEFERRED, detail)


def _why_sent(
    endpoint: Endpoint, delivery: Delivery, lane: Lane | None, letter: DeadLetter | None
) -> Iterator[NoMatchReason]:
    if delivery.state == Delivery.State.DEAD and letter is not None:
        detail = letter.reason or DeadLetter.Cause(letter.cause).label
        yield NoMatchReason(str(letter.cause), f"Failed permanently: {detail}.")
    elif delivery.state == Delivery.State.SUPERSEDED and delivery.superseded_by_id is not None:
        newer = ids.public(Delivery.prefix, delivery.superseded_by_id)
        detail = f"Superseded by {newer}, a newer delivery of its key: the endpoint is sent only the latest that waits."
        yield NoMatchReason(str(delivery.state), detail)
    elif delivery.state == Delivery.State.PENDING:
        yield from _why_pending(endpoint, delivery, lane)
    else:
        yield NoMatchReason(str(delivery.state), STATES[delivery.state])


def _why_pending(endpoint: Endpoint, delivery: Delivery, lane: Lane | None) -> Iterator[NoMatchReason]:
    now = timezone.now()
    if endpoint.state != Endpoint.State.ACTIVE:
        since = f" since {_text(endpoint.state_changed_at)}" if endpoint.state_changed_at else ""
        yield NoMatchReason(
            str(endpoint.state), f"Waiting: the endpoint is {endpoint.state}{since}. This uses no attempt."
        )
    if lane is not None:
        yield from _why_lane_waits(lane, now)
    if delivery.next_attempt_at is not None and delivery.next_attempt_at > now:
        attempt = f"Attempt {delivery.attempts + 1}"
        yield NoMatchReason("scheduled", f"{attempt} is scheduled for {_text(delivery.next_attempt_at)}.")
        return
    if delivery.order_key is not None and endpoint.is_ordered:
        head = find_head(endpoint.pk, delivery.order_key)
        if head is not None and head != delivery.pk:
            earlier = ids.public(Delivery.prefix, head)
            yield NoMatchReason("blocked", f"Waiting for {earlier}, an earlier delivery with its order key.")
    yield _why_queued(endpoint, delivery)


def _why_lane_waits(lane: Lane, now: datetime) -> Iterator[NoMatchReason]:
    if lane.wait_until is not None and lane.wait_until > now:
        yield NoMatchReason("pause_requested", f"Waiting: {_lower(pause_message(lane.wait_status, lane.wait_until))}")
    failures = f"{lane.failures:,} failure{'s' * (lane.failures != 1)} in a row"
    if lane.circuit_open_until is not None and lane.circuit_open_until > now:
        until = f"until {_text(lane.circuit_open_until)} after {failures}; then one attempt probes the endpoint"
        yield NoMatchReason("circuit_open", f"Waiting: the circuit breaker is open {until}. This uses no attempt.")
    elif lane.open_count:
        detail = f"Waiting: after {failures}, one attempt at a time probes the endpoint until it works again."
        yield NoMatchReason("circuit_open", detail)


def _why_queued(endpoint: Endpoint, delivery: Delivery) -> NoMatchReason:
    """Say how many deliveries are due before this one, and how long the rate limit makes that."""
    count = count_ahead(endpoint.pk, delivery.next_attempt_at, MAX_AHEAD + 1) if delivery.next_attempt_at else 0
    if not count:
        return NoMatchReason("queued", "Queued: it is the next one.")
    number = f"more than {MAX_AHEAD:,}" if count > MAX_AHEAD else f"{count:,}"
    detail = f"Queued: {number} deliver{'y is' if count == 1 else 'ies are'} due before it."
    if rate := endpoint.rate_per_second:
        least = duration(timedelta(seconds=count / rate))
        return NoMatchReason("rate_limit", f"{detail} At the rate limit of {rate:g}/s these take {least} at least.")
    return NoMatchReason("queued", detail)


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _why_not_sent(
    event: Event,
    endpoint: Endpoint,
    subscriptions: Sequence[Subscription],
    document: Callable[[], dict[str, Any]],
    budget: StepBudget,
) -> Iterator[NoMatchReason]:
    delay: DelayedEvent | None = getattr(event, "delay", None)
    routed_at = event.created_at if delay is None else delay.deliver_at
    if endpoint.created_at > routed_at:
        yield NoMatchReason("endpoint_created_later", "The endpoint was created after the event was published.")
    if not subscriptions:
        yield NoMatchReason("no_subscription", "The endpoint has no subscriptions.")
        return
    for row in subscriptions:
        if row.grant_id != event.grant_id:
            yield _of_other_grant(event, row)
            continue
        yield explain_mismatch(row, event.type, document, routed_at, budget)


def _why_shared(event: Event) -> NoMatchReason | None:
    if event.grant_id is None:
        return None
    grant = Grant.objects.select_related("tenant").filter(id=event.grant_id).first()
    ended = "" if grant is None or grant.ended_at is None else ", which has ended since"
    owner = "" if grant is None else f" of {grant.tenant.public_id}"
    detail = f"The event{owner} is shared by {ids.public(Grant.prefix, event.grant_id)}{ended}."
    return NoMatchReason("shared", detail)


def _of_other_grant(event: Event, row: Subscription) -> NoMatchReason:
    if row.grant_id is None:
        shared = ids.public(Grant.prefix, event.grant_id) if event.grant_id else ""
        return NoMatchReason("grant", f"The event is shared by {shared}; the subscription does not name it.", row)
    shared = ids.public(Grant.prefix, row.grant_id)
    return NoMatchReason("grant", f"The subscription receives only events that {shared} shares.", row)
