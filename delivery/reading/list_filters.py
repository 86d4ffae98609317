"""Filter lists by conditions that no index serves; each is checked on the rows of an index walk.

A condition on another table (the type of a delivery is its event's) is a scalar subquery, which is a look-up by key
for each row, whatever the planner estimates. A join would sometimes read all events to find the few of a rare type.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q, Subquery

from delivery.models import DeadLetter, Event
from webhooks.kit.rows import matches_type
from webhooks.wire.ids import parse

Conditions = Mapping[str, Callable[[Any], Q]]


def matching(conditions: Conditions, requested: Mapping[str, Any]) -> Q:
    """Return the conditions that were requested with a value, all to be met; an empty Q if there are none."""
    combined = Q()
    for name, condition in conditions.items():
        if requested.get(name) is not None:
            combined &= condition(requested[name])
    return combined


def _equals(column: str) -> Callable[[Any], Q]:
    return lambda value: Q(**{column: value})


def _status(column: str) -> Callable[[str], Q]:
    """Match an HTTP status (``404``) or a class of them (``4xx``)."""

    def condition(status: str) -> Q:
        if not status.endswith("xx"):
            return Q(**{column: int(status)})
        first = int(status[0]) * 100
        return Q(**{f"{column}__gte": first, f"{column}__lt": first + 100})

    return condition


def _type(column: str) -> Callable[[str], Q]:
    """Match a type: exactly, all below one (``order.*``), or all (``*``)."""
    return lambda pattern: matches_type(column, pattern)


def _event_type(key: str) -> Callable[[str], Q]:
    """Match the type of the event whose key is in column ``key``."""
    return lambda pattern: _event_matches(key, matches_type("type", pattern)) if pattern != "*" else Q()


def _event_equals(key: str, column: str) -> Callable[[Any], Q]:
    """Match a column of the event whose key is in column ``key``."""
    return lambda value: _event_matches(key, Q(**{column: value}))


def _event_matches(key: str, condition: Q) -> Q:
    event = Event.objects.filter(pk=OuterRef(key)).annotate(matches=ExpressionWrapper(condition, BooleanField()))
    return Q(Subquery(event.values("matches")[:1], output_field=BooleanField()))


def _search(key: str, **id_columns: str) -> Callable[[str], Q]:
    """Match a text in the event's id, type, subject or source, ignoring case, or a complete id of ours.

    ``key``: the column with the event's key, empty if the row is the event. ``id_columns``: prefix=column.
    """

    def condition(text: str) -> Q:
        contains = Q()
        for column in ("event_id", "type", "subject", "source"):
            contains |= Q(**{f"{column}__icontains": text})
        found = _event_matches(key, contains) if key else contains
        for prefix, column in id_columns.items():
            with suppress(ValueError):
                found |= Q(**{column: parse(prefix, text)})
        return found

    return condition


def _letter_state(state: str) -> Q:
    """Match what was done about a dead letter."""
    closed = {DeadLetter.State.REPLAYED: False, DeadLetter.State.DISCARDED: True}
    if state in closed:
        return Q(closed_at__isnull=False, is_discarded=closed[DeadLetter.State(state)])
    return Q(closed_at=None, acknowledged_at__isnull=state == DeadLetter.State.OPEN)


EVENTS: Final[Conditions] = {
    "type": _type("type"),
    "subject": _equals("subject"),
    "of_source": _equals("source"),
    "q": _search("", evt="id"),
}
DELIVERIES: Final[Conditions] = {
    "type": _event_type("event_id"),
    "subject": _event_equals("event_id", "subject"),
    "in_state": _equals("state"),
    "status": _status("last_status"),
    "error": _equals("last_error"),
    "replay": _equals("replay_id"),
    "q": _search("event_id", dlv="id", evt="event_id", ep="endpoint_id"),
}
ATTEMPTS: Final[Conditions] = {"status": _status("status"), "error": _equals("error")}
DEAD_LETTERS: Final[Conditions] = {
    "type": _event_type("delivery__event_id"),
    "subject": _event_equals("delivery__event_id", "subject"),
    "cause": _equals("cause"),
    "state": _letter_state,
    "status": _status("last_status"),
    "error": _equals("last_error"),
    "q": _search("delivery__event_id", dl="id", dlv="delivery_id", evt="delivery__event_id", ep="endpoint_id"),
}
