"""Find what a text names: by id, external id, name, part of a URL, type, subject, or value of a payload.

An id leads to one row. Any other text is looked up everywhere, by an index each; the rows of each kind are limited.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from django.apps import apps
from django.db.models import Model, QuerySet

from delivery.models import DeadLetter, Delivery, Event, Replay
from delivery.reading.finding.events import find_events
from subscriptions.event_types.models import EventType
from subscriptions.models import Endpoint, Row, Subscription, Tenant
from subscriptions.search import find_endpoints, find_tenants
from webhooks.kit.rows import find_by_uid
from webhooks.wire.ids import parse

LIMIT = 20  # rows of one kind
MAX_TERM = 1_024  # characters
BY_BARE_KEY: tuple[type[Model], ...] = (Event, Delivery, DeadLetter, Replay, Endpoint, Subscription, Tenant)
BODIES = ("body", "original", "digest")  # columns of events that a result does not show
RELATED: dict[str, tuple[str, ...]] = {
    "endpoint": ("tenant", "http", "destination"),
    "event": ("tenant",),
    "delivery": ("tenant", "event", "endpoint__http", "endpoint__destination"),
    "deadletter": ("tenant", "delivery__event", "endpoint__http", "endpoint__destination"),
    "attempt": ("delivery__tenant", "delivery__event"),
    "subscription": ("tenant",),
}
DEFERRED: dict[str, tuple[str, ...]] = {
    "event": BODIES,
    "delivery": ("body", *(f"event__{name}" for name in BODIES)),
    "deadletter": ("delivery__body", *(f"delivery__event__{name}" for name in BODIES)),
    "attempt": ("response", "delivery__body", *(f"delivery__event__{name}" for name in BODIES)),
}


class FoundRows(NamedTuple):
    """Rows of one model that a text names, and in which respect."""

    model: type[Model]
    rows: list[Any]
    by: str


def find(text: str, *, by_value: bool) -> list[FoundRows]:
    """Return what a text names, the most specific first; empty: nothing.

    ``by_value``: whether events are also found by values of their payload.
    """
    term = text.strip().replace("\0", "")[:MAX_TERM]
    if not term:
        return []
    by_id = _by_id(term)
    return by_id if by_id is not None else [it for it in _by_text(term, by_value) if it.rows]


def models_by_prefix() -> dict[str, type[Row]]:
    """Return the models whose rows have ids with a prefix, by the prefix."""
    return {it.prefix: it for it in apps.get_models() if issubclass(it, Row) and it.prefix}


def _by_id(term: str) -> list[FoundRows] | None:
    """Return the row with this id; None if the text is no id."""
    prefix = term.rpartition("_")[0]
    model = models_by_prefix().get(prefix)
    try:
        if model is not None:
            found = [FoundRows(model, list(_read(model, [parse(prefix, term)])), "ID")]
        else:
            key = UUID(term)
            found = [FoundRows(it, list(_read(it, [key])), "ID") for it in BY_BARE_KEY]
    except ValueError:
        return None
    return [it for it in found if it.rows] or None


def _by_text(term: str, by_value: bool) -> Iterator[FoundRows]:
    yield _found(Tenant, find_tenants(term, LIMIT), "name or external ID")
    yield _found(Endpoint, find_endpoints(term, LIMIT), "URL, description or external ID")
    yield from _by_uid(term)
    types = EventType.objects.filter(name__icontains=term).order_by("name")[:LIMIT]
    yield FoundRows(EventType, list(types), "name")
    found = find_events(term, by_value=by_value)[:LIMIT]
    yield _found(Event, found, "own ID, type, subject or value" if by_value else "own ID, type or subject")


def _by_uid(term: str) -> Iterator[FoundRows]:
    """Yield rows with exactly this external id, of models that are not searched by parts."""
    for model in apps.get_models():
        if issubclass(model, Row) and hasattr(model, "uid") and model not in (Tenant, Endpoint):
            yield FoundRows(model, list(find_by_uid(model._default_manager.all(), term)[:LIMIT]), "external ID")


def _found(model: type[Model], keys: list[UUID], by: str) -> FoundRows:
    rows = {row.pk: row for row in _read(model, keys)}
    return FoundRows(model, [rows[key] for key in keys if key in rows], by)


def _read(model: type[Model], keys: list[UUID]) -> QuerySet[Any]:
    name = str(model._meta.model_name)
    rows: QuerySet[Any] = model._default_manager.filter(pk__in=keys).select_related(*RELATED.get(name, ()))
    return rows.defer(*DEFERRED.get(name, ()))
