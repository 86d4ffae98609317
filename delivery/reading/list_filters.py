"""What a list may be narrowed by that no index serves: conditions on the rows of a walk, one each, all to be met.

A name of ``asked`` is a filter of the list (see ``views/queries``). What reaches across a table (a delivery's type is
its event's) is a scalar subquery: a look-up by key for each row of the walk, whatever the planner thinks. As a join it
would now and then read all events to find the few of a rare type.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from django.db.models import BooleanField, ExpressionWrapper, OuterRef, Q, Subquery

from delivery.models import Event
from webhooks.wire.ids import parse

__all__ = ["ATTEMPTS", "DEAD_LETTERS", "DELIVERIES", "EVENTS", "REPLAYS", "Conditions", "narrowing"]

Conditions = Mapping[str, Callable[[Any], Q]]


def narrowing(conditions: Conditions, asked: Mapping[str, Any]) -> Q:
    """The conditions that are asked for; an empty Q if none is."""
    wanted = Q()
    for name, condition in conditions.items():
        if asked.get(name) is not None:
            wanted &= condition(asked[name])
    return wanted


def _equals(column: str) -> Callable[[Any], Q]:
    return lambda value: Q(**{column: value})


def _of_class(column: str) -> Callable[[str], Q]:
    """``404``, or ``4xx`` for all that begin so."""

    def condition(status: str) -> Q:
        if not status.endswith("xx"):
            return Q(**{column: int(status)})
        first = int(status[0]) * 100
        return Q(**{f"{column}__gte": first, f"{column}__lt": first + 100})

    return condition


def _of_event(key: str, column: str) -> Callable[[Any], Q]:
    """This column of the event whose key stands in ``key``."""
    return lambda value: _holds(key, Q(**{column: value}))


def _holds(key: str, condition: Q) -> Q:
    event = Event.objects.filter(pk=OuterRef(key)).annotate(holds=ExpressionWrapper(condition, BooleanField()))
    return Q(Subquery(event.values("holds")[:1], output_field=BooleanField()))


def _says(key: str, **keys: str) -> Callable[[str], Q]:
    """The text stands in the id, type, subject or source of the event (``key`` leads to it; "": of the row itself), in
    either case; or it is a whole id of ours."""

    def condition(text: str) -> Q:
        said = Q()
        for column in ("event_id", "type", "subject", "source"):
            said |= Q(**{f"{column}__icontains": text})
        found = _holds(key, said) if key else said
        for prefix, column in keys.items():
            with suppress(ValueError):
                found |= Q(**{column: parse(prefix, text)})
        return found

    return condition


EVENTS: Final[Conditions] = {
    "type": _equals("type"),
    "subject": _equals("subject"),
    "of_source": _equals("source"),
    "q": _says("", evt="id"),
}
DELIVERIES: Final[Conditions] = {
    "type": _of_event("event_id", "type"),
    "subject": _of_event("event_id", "subject"),
    "in_state": _equals("state"),
    "status": _of_class("last_status"),
    "error": _equals("last_error"),
    "replay": _equals("replay_id"),
    "q": _says("event_id", dlv="id", evt="event_id", ep="endpoint_id"),
}
ATTEMPTS: Final[Conditions] = {"status": _of_class("status"), "error": _equals("error")}
DEAD_LETTERS: Final[Conditions] = {
    "type": _of_event("delivery__event_id", "type"),
    "subject": _of_event("delivery__event_id", "subject"),
    "cause": _equals("cause"),
    "state": lambda state: Q(redriven_at__isnull=state == "open"),
    "status": _of_class("last_status"),
    "error": _equals("last_error"),
    "q": _says("delivery__event_id", dl="id", dlv="delivery_id", evt="delivery__event_id", ep="endpoint_id"),
}
REPLAYS: Final[Conditions] = {"state": _equals("state")}
