"""Compute the key of a delivery: deliveries of an endpoint with the same key are sent one after the other.

An endpoint has keys if it is ordered, or if it is sent only the latest of what waits (``latest_only``).
"""

from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Any

import orjson

from subscriptions.models import Endpoint
from webhooks.wire.cloudevents.event import Event
from webhooks.wire.json_numbers import raw
from webhooks.wire.step_budget import UNLIMITED
from webhooks.wire.transform.paths import MISSING, InputPaths, parse_path

MAX_VALUE_BYTES = 512  # of a value that a path leads to; a longer one is replaced by its hash, to fit into the index
NUL = "\0"  # which PostgreSQL does not store in a text


def order_key(
    ordering: str, latest_only: str | None, event: Event, document: Callable[[], dict[str, Any]]
) -> str | None:
    """Return the key under which an endpoint with these settings gets the event; None: it has no key.

    Events without the attribute that ``ordering`` names share the empty key. Without ordering, events that lack the
    attribute or the value that ``latest_only`` names have no key, so none of them is superseded.
    ``document``: returns the event as patterns see it, for a path.
    """
    if not latest_only or ordering:
        return _of_attribute(ordering, event, "") if ordering else None
    if latest_only.startswith("$"):
        return _of_value(_compiled(latest_only).find(document(), UNLIMITED)[latest_only])
    return _of_attribute(latest_only, event, None)


def _of_attribute(name: str, event: Event, default: str | None) -> str | None:
    return "" if name == Endpoint.Ordering.ENDPOINT else event.attributes.get(name, default)


def _of_value(value: Any) -> str | None:
    if value is MISSING or value is None:
        return None
    text = value if isinstance(value, str) else orjson.dumps(value, default=raw, option=orjson.OPT_SORT_KEYS).decode()
    if NUL in text or len(text.encode()) > MAX_VALUE_BYTES:
        return f"sha256:{sha256(text.encode()).hexdigest()}"
    return text


@lru_cache(maxsize=1_024)
def _compiled(path: str) -> InputPaths:
    return InputPaths({path: parse_path(path, "")})
