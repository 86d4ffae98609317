"""Bring dead letters back, a slice at a time: each once, by the guard of its own ``redriven_at``.

What died because it could not be rendered goes by its subscription as it is now, and stays dead if that is no
better. Letters of deleted endpoints stay dead, and so do those whose event was expunged.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from delivery.models import DeadLetter, Event, Replay
from delivery.replaying.replay_filter import Filter
from delivery.sql.replay import replay_dead_letters
from subscriptions.models import Tenant
from subscriptions.routing.route_table import RouteTable
from subscriptions.routing.snapshot import current_route_table
from webhooks.wire.cloudevents.json_format import read_structured
from webhooks.wire.transform import Unrenderable

__all__ = ["Slice", "matching", "redrive", "slice_of"]


class Slice(NamedTuple):
    """One step of a replay: what it brought back to which endpoints, the last row it looked at, how much of the rate
    that used up, and whether more rows may follow."""

    endpoints: list[UUID]
    cursor: UUID | None
    spent: int
    more: bool


def matching(tenant: Tenant | None, wanted: Filter) -> QuerySet[DeadLetter]:
    """The open dead letters a filter means, of a tenant or (None) of all."""
    letters = DeadLetter.objects.filter(
        redriven_at=None, endpoint__deleted_at=None, delivery__event__expunged_at__isnull=True
    )
    conditions = {
        "tenant": tenant,
        "id__in": wanted.ids,
        "endpoint": wanted.endpoint,
        "cause": wanted.cause,
        "delivery__event__type": wanted.type,
        "died_at__gte": wanted.since,
        "died_at__lt": wanted.until,
    }
    return letters.filter(**{name: value for name, value in conditions.items() if value})


def slice_of(row: Replay, wanted: Filter, most: int) -> Slice:
    """Bring back the next ``most`` letters of a replay. To be called in a transaction."""
    letters = matching(row.tenant, wanted).filter(died_at__lte=row.until_at).select_related("delivery__event")
    if row.cursor is not None:
        letters = letters.filter(id__gt=row.cursor)
    found = list(letters.order_by("id")[:most])
    endpoints = redrive(row, found)
    return Slice(endpoints, found[-1].id if found else row.cursor, len(found), len(found) == most)


def redrive(row: Replay, letters: Sequence[DeadLetter]) -> list[UUID]:
    """Bring these letters back, unless somebody else has. The endpoint of each that came back.

    Their events are locked first, in the order of their keys: neither retention nor an expunging gets between, and
    two replays that share some wait for each other in a row and not in a circle.
    """
    events = Event.objects.select_for_update(no_key=True).filter(id__in=[it.delivery.event_id for it in letters])
    live = set(events.filter(expunged_at=None).order_by("id").values_list("id", flat=True))
    able = [it for it in letters if it.delivery.event_id in live]
    return replay_dead_letters(row.id, row.requested_by, list(_with_bytes(able)))


def _with_bytes(letters: Sequence[DeadLetter]) -> Iterator[tuple[UUID, bytes | None]]:
    """The letters that can go, each with its new bytes (None: those it has)."""
    pictures: dict[UUID, RouteTable] = {}
    for it in letters:
        body = None
        if it.cause == DeadLetter.Cause.UNRENDERABLE:
            if it.tenant_id not in pictures:
                pictures[it.tenant_id] = current_route_table(it.tenant_id)
            try:
                body = _rendered(it, pictures[it.tenant_id])
            except Unrenderable:
                continue
        yield it.id, body


def _rendered(letter: DeadLetter, picture: RouteTable) -> bytes | None:
    """None: without a transformer it goes as it was published. Raises Unrenderable, also if nobody wants it now."""
    event = read_structured(bytes(letter.delivery.event.body))
    for route in picture.find(event.attributes["type"], event.document):
        if route.endpoint_id == letter.endpoint_id:
            return None if route.transformer is None else route.transformer.render(event.document())
    raise Unrenderable("no subscription of its endpoint wants it")
