"""Replay dead letters, one slice at a time; each is replayed once, guarded by its own ``replayed_at``.

A delivery whose transformation failed is transformed again with the subscription as it is now, and stays dead if that
fails too. Dead letters of deleted endpoints and of erased events stay dead.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from delivery.models import DeadLetter, Event, Replay
from delivery.replaying.replay_filter import ReplayFilter
from delivery.sql.replay import replay_dead_letters
from subscriptions.models import Tenant
from subscriptions.routing.route_table import RouteTable
from subscriptions.routing.snapshot import current_route_table
from webhooks.wire.cloudevents.json_format import read_structured
from webhooks.wire.transform import Unrenderable


class Slice(NamedTuple):
    """The result of one step of a replay.

    ``endpoints``: one for each re-queued delivery. ``cursor``: the last row it looked at. ``spent``: how much of the
    rate it used. ``has_more``: whether more rows may follow.
    """

    endpoints: list[UUID]
    cursor: UUID | None
    spent: int
    has_more: bool


def open_dead_letters(tenant: Tenant | None, selected: ReplayFilter) -> QuerySet[DeadLetter]:
    """Return the open dead letters that match, of a tenant or (None) of all."""
    letters = DeadLetter.objects.filter(
        replayed_at=None, endpoint__deleted_at=None, delivery__event__payload_deleted_at__isnull=True
    )
    conditions = {
        "tenant": tenant,
        "id__in": selected.ids,
        "endpoint": selected.endpoint,
        "cause": selected.cause,
        "delivery__event__type": selected.type,
        "failed_at__gte": selected.since,
        "failed_at__lt": selected.until,
    }
    return letters.filter(**{name: value for name, value in conditions.items() if value})


def run_slice(row: Replay, selected: ReplayFilter, limit: int) -> Slice:
    """Replay the next ``limit`` dead letters. Call it in a transaction."""
    letters = open_dead_letters(row.tenant, selected).filter(failed_at__lte=row.until_at)
    letters = letters.select_related("delivery__event")
    if row.cursor is not None:
        letters = letters.filter(id__gt=row.cursor)
    found = list(letters.order_by("id")[:limit])
    endpoints = replay_letters(row, found)
    return Slice(endpoints, found[-1].id if found else row.cursor, len(found), len(found) == limit)


def replay_letters(row: Replay, letters: Sequence[DeadLetter]) -> list[UUID]:
    """Replay these dead letters, except those that another replay has taken; return the endpoint of each.

    Their events are locked first, in key order: retention and erasure cannot interfere, and two replays with common
    events do not deadlock.
    """
    events = Event.objects.select_for_update(no_key=True).filter(id__in=[it.delivery.event_id for it in letters])
    kept = set(events.filter(payload_deleted_at=None).order_by("id").values_list("id", flat=True))
    possible = [it for it in letters if it.delivery.event_id in kept]
    return replay_dead_letters(row.id, row.requested_by, list(_with_bodies(possible)))


def _with_bodies(letters: Sequence[DeadLetter]) -> Iterator[tuple[UUID, bytes | None]]:
    """Yield the letters that can be replayed, each with its new body, or None to keep the one it has."""
    route_tables: dict[UUID, RouteTable] = {}
    for it in letters:
        body = None
        if it.cause == DeadLetter.Cause.TRANSFORMATION_FAILED:
            if it.tenant_id not in route_tables:
                route_tables[it.tenant_id] = current_route_table(it.tenant_id)
            try:
                body = _transformed(it, route_tables[it.tenant_id])
            except Unrenderable:
                continue
        yield it.id, body


def _transformed(letter: DeadLetter, routes: RouteTable) -> bytes | None:
    """Return the transformed body; None if the subscription has no transformer now.

    Raises Unrenderable, also if no subscription of the endpoint matches now.
    """
    event = read_structured(bytes(letter.delivery.event.body))
    for route in routes.find(event.attributes["type"], event.document):
        if route.endpoint_id == letter.endpoint_id:
            return None if route.transformer is None else route.transformer.render(event.document())
    raise Unrenderable("no subscription of the endpoint matches the event")
