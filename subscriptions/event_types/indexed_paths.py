"""Find the values of an event by which it can be found later: those at the paths that its event type names.

    indexed_paths: ["data.order.id", "data.lines[*].sku"]

The paths are those of input transformers, without ``$.`` before ``data``. Where the platform and the tenant have a type
of the same name, the paths of both apply. Of a type without paths nothing is computed: its name is not in the snapshot
of the event types in memory (``schema_check``).
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db.models import Q

from subscriptions.errors import Invalid
from subscriptions.event_types.json_schema.schema_check import MAX_CACHED_CHECKS, current_snapshot
from subscriptions.event_types.models import EventType
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.step_budget import BudgetExceeded, StepBudget
from webhooks.wire.transform.errors import InvalidTransformer
from webhooks.wire.transform.paths import MISSING, InputPaths, parse_path

FIELD = "indexed_paths"
ROOT = "data"
MAX_PATHS = 8
MAX_VALUES = 64  # of one event; further ones cannot be found
MAX_VALUE = 1_024  # characters; a longer value cannot be found
MAX_STEPS = 100_000  # of finding the values of one event: about 10 ms of CPU


def check_indexed_paths(paths: Any) -> None:
    """Raise Invalid for ``indexed_paths``, with a pointer to the part that is wrong."""
    if not isinstance(paths, list) or len(paths) > MAX_PATHS:
        raise Invalid(FIELD, f'Must be an array of at most {MAX_PATHS} paths, such as ["data.order.id"].')
    for position, path in enumerate(paths):
        pointer = f"/{position}"
        if not isinstance(path, str) or not path.startswith(f"{ROOT}."):
            raise Invalid(FIELD, "A path begins with data., such as data.order.id.", pointer)
        try:
            parse_path(f"$.{path}", pointer)
        except InvalidTransformer as error:
            raise Invalid(FIELD, str(error), pointer) from None
        if path in paths[:position]:
            raise Invalid(FIELD, "Each path may be given once.", pointer)


def indexed_paths_of(tenant_id: UUID, name: str) -> tuple[str, ...]:
    """Return the paths of a tenant's events of this type; empty if there are none."""
    snapshot = current_snapshot()
    if name not in snapshot.indexed:
        return ()
    key = (tenant_id, name)
    if key not in snapshot.indexed_paths:
        if len(snapshot.indexed_paths) >= MAX_CACHED_CHECKS:
            snapshot.indexed_paths.clear()
        rows = EventType.objects.filter(Q(tenant=None) | Q(tenant=tenant_id), name=name)
        snapshot.indexed_paths[key] = tuple(dict.fromkeys(path for row in rows for path in row.indexed_paths))
    return snapshot.indexed_paths[key]


def indexed_values(tenant_id: UUID, event: Event) -> list[tuple[str, str]]:
    """Return path and text of each value by which the event can be found; empty for most types."""
    paths = indexed_paths_of(tenant_id, event.attributes["type"])
    if not paths or not event.is_json:
        return []
    try:
        found = _compiled(paths).find({ROOT: event.value}, StepBudget(MAX_STEPS))
    except BudgetExceeded:
        return []
    values = ((path, text) for path, value in found.items() for text in _texts(value) if len(text) <= MAX_VALUE)
    return list(dict.fromkeys(values))[:MAX_VALUES]


def value_text(value: Any) -> str:
    """Return the text by which a scalar value is found: a string as it is, others as JSON writes them."""
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts of a scalar, or of the scalars in a list; of objects, null and a missing value none."""
    values: Iterable[Any] = value if isinstance(value, list) else [value]
    return (
        value_text(it) for it in values if it is not MISSING and it is not None and not isinstance(it, (dict, list))
    )


@lru_cache(maxsize=1_000)
def _compiled(paths: tuple[str, ...]) -> InputPaths:
    return InputPaths({path: parse_path(f"$.{path}", "") for path in paths})
