"""Replay dead letters, one slice at a time; each is replayed once, guarded by its own ``closed_at``.

A delivery whose transformation failed is transformed again with the subscription as it is now, and stays dead if that
fails too. Dead letters of deleted and of disabled endpoints, and of erased events, stay as they are.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from delivery import metrics
from delivery.fan_out.budget import SliceBudget, slice_budget
from delivery.fan_out.deliveries import NewDelivery, RoutedEvent, next_deliveries
from delivery.fan_out.masking import stored_original
from delivery.models import Attempt, DeadLetter, Event, Replay
from delivery.reading import queries
from delivery.replaying.replay_filter import ReplayFilter
from delivery.sql.dead_letters import ReplayedLetter, replay_dead_letters
from subscriptions.models import Endpoint, Tenant
from subscriptions.routing.route_table import RouteTable
from subscriptions.routing.snapshot import current_route_table
from webhooks.kit.rows import matches_type
from webhooks.wire.cloudevents.json_format import read_structured


class Slice(NamedTuple):
    """The result of one step of a replay.

    ``endpoints``: one for each re-queued delivery. ``cursor``: the last row it looked at. ``spent``: how much of the
    rate it used. ``has_more``: whether more rows may follow. ``route_cursor``: the last subscription that it looked at
    for the event at the cursor; None: that event is done.
    """

    endpoints: list[UUID]
    cursor: UUID | None
    spent: int
    has_more: bool
    route_cursor: UUID | None = None


def replayable_dead_letters(tenant: Tenant | None, selected: ReplayFilter) -> QuerySet[DeadLetter]:
    """Return the dead letters that match and can be sent again now, of a tenant or (None) of all."""
    return undeleted_dead_letters(tenant, selected).exclude(endpoint__state=Endpoint.State.DISABLED)


def undeleted_dead_letters(tenant: Tenant | None, selected: ReplayFilter) -> QuerySet[DeadLetter]:
    """Return the dead letters that match and whose endpoint and payload still exist; a disabled endpoint may be."""
    letters = matching_dead_letters(tenant, selected)
    return letters.filter(endpoint__deleted_at=None, delivery__event__payload_deleted_at__isnull=True)


def matching_dead_letters(tenant: Tenant | None, selected: ReplayFilter) -> QuerySet[DeadLetter]:
    """Return the dead letters that match and are not closed, of a tenant or (None) of all."""
    letters = DeadLetter.objects.filter(closed_at=None)
    conditions = {
        "tenant": tenant,
        "id__in": selected.ids,
        "endpoint": selected.endpoint,
        "endpoint__labels__contains": selected.labels,
        "cause": selected.cause,
        "failed_at__gte": selected.since,
        "failed_at__lt": selected.until,
    }
    letters = letters.filter(**{name: value for name, value in conditions.items() if value})
    if selected.type:
        letters = letters.filter(matches_type("delivery__event__type", selected.type))
    if selected.state:
        letters = letters.filter(acknowledged_at__isnull=selected.state == DeadLetter.State.OPEN)
    if selected.attempted_since or selected.attempted_until:
        letters = _failed_within(letters, selected.attempted_since, selected.attempted_until)
    return letters


def _failed_within(
    letters: QuerySet[DeadLetter], since: datetime | None, until: datetime | None
) -> QuerySet[DeadLetter]:
    """Restrict to deliveries of which an attempt failed in this period; without attempts, that failed in it.

    A dead letter is written after its attempts, so ``since`` also bounds the walk. Index: attempt_by_delivery.
    """
    attempts = Attempt.objects.filter(delivery=OuterRef("delivery")).exclude(error="")
    period = {"gte": since, "lt": until}
    in_period = {name: value for name, value in period.items() if value is not None}
    failed = attempts.filter(**{f"started_at__{name}": value for name, value in in_period.items()})
    dead = Q(attempts=0, **{f"failed_at__{name}": value for name, value in in_period.items()})
    if since is not None:
        letters = letters.filter(id__gte=queries.place(since, -queries.SLACK))
    return letters.filter(Q(Exists(failed)) | dead)


def run_slice(row: Replay, selected: ReplayFilter, limit: int) -> Slice:
    """Replay the next dead letters, at most ``limit``, as far as a slice goes. Call it in a transaction."""
    letters = replayable_dead_letters(row.tenant, selected).filter(failed_at__lte=row.until_at)
    letters = letters.select_related("delivery__event").defer(
        "delivery__body", "delivery__event__body", "delivery__event__original"
    )
    if row.cursor is not None:
        letters = letters.filter(id__gt=row.cursor)
    found = list(letters.order_by("id")[:limit])
    kept = lock_events(found)
    replayed: list[ReplayedLetter] = []
    budget, renderer, last = slice_budget(limit), _Renderer(), row.cursor
    for it in found:
        if budget.is_used:
            break
        last = it.id
        if it.delivery.event_id in kept:
            replayed += renderer.with_body(it, budget)
    endpoints = replay_dead_letters(row.id, row.requested_by, replayed)
    metrics.dead_letters_replayed(len(endpoints))
    is_cut_short = bool(found) and last != found[-1].id
    return Slice(endpoints, last, len(endpoints), len(found) == limit or is_cut_short)


def lock_events(letters: Sequence[DeadLetter]) -> set[UUID]:
    """Lock the events of these dead letters, and return those that are not erased.

    They are locked in key order: retention and erasure cannot interfere, and two replays with common events do not
    deadlock.
    """
    events = Event.objects.select_for_update(no_key=True).filter(id__in=[it.delivery.event_id for it in letters])
    return set(events.filter(payload_deleted_at=None).order_by("id").values_list("id", flat=True))


def reason_to_stay_dead(letter: DeadLetter) -> str:
    """Return why this dead letter cannot be replayed, as a sentence; empty if it can."""
    if not letter.is_rendered_again:
        return ""
    found = _Renderer().render(letter, slice_budget(1))
    if not found and letter.cause == DeadLetter.Cause.TRANSFORMATION_FAILED:
        return "its transformation failed, and no subscription of the endpoint matches the event any more."
    reason = found[0].reason if found else None
    return f"its transformation fails: {reason}" if reason else ""


def rendered_again(letter: DeadLetter, new: NewDelivery) -> ReplayedLetter:
    """Return the dead letter with the body that was rendered now: the whole event if nothing transforms it any more."""
    body = new.body
    if body is None and letter.cause == DeadLetter.Cause.BODY_NOT_OBJECT and letter.delivery.body is not None:
        body = bytes(letter.delivery.event.body)
    return ReplayedLetter(letter.id, body, new.content_type, new.form)


class _Renderer:
    """Render what failed before, with the subscriptions as they are now."""

    def __init__(self) -> None:
        self._route_tables: dict[UUID, RouteTable] = {}

    def with_body(self, letter: DeadLetter, budget: SliceBudget) -> list[ReplayedLetter]:
        """Return the dead letter with its new body, or None to keep the one it has; nothing if it stays dead."""
        budget.spend(deliveries=1)
        if not letter.is_rendered_again:
            return [ReplayedLetter(letter.id)]
        rendered = self.render(letter, budget)
        if not rendered and letter.cause == DeadLetter.Cause.BODY_NOT_OBJECT:
            return [ReplayedLetter(letter.id)]  # its endpoint may have another credential now
        return [rendered_again(letter, it) for it in rendered if not it.reason]

    def render(self, letter: DeadLetter, budget: SliceBudget) -> list[NewDelivery]:
        """Return the delivery that would be created now; nothing without a matching subscription."""
        if letter.tenant_id not in self._route_tables:
            self._route_tables[letter.tenant_id] = current_route_table(letter.tenant_id)
        event = letter.delivery.event
        body, original = read_structured(bytes(event.body)), stored_original(event.original)
        routed = RoutedEvent(event.tenant_id, event.id, body, 0, event.grant_id, original=original)  # sent as a whole
        routes = self._route_tables[letter.tenant_id]
        return next_deliveries(routes, routed, None, budget, endpoint_id=letter.endpoint_id).deliveries
