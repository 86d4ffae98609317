"""Check the ``batch`` of an endpoint: how many events may share one request, and how long they wait for each other."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from subscriptions.errors import Invalid
from webhooks.wire.errors import unknown_member

MAX_EVENTS = 500
MAX_BYTES = 6 * 1024 * 1024
MAX_WINDOW = 5.0  # seconds: a claim outlives its attempt's timeout by 10
DEFAULT_EVENTS, DEFAULT_BYTES, DEFAULT_WINDOW = 100, 256 * 1024, 1.0


class Batch(NamedTuple):
    """Limit the events and bytes of a request, and the seconds from its first event to the request."""

    max_events: int = DEFAULT_EVENTS
    max_bytes: int = DEFAULT_BYTES
    window_seconds: float = DEFAULT_WINDOW


_LIMITS = {"max_events": (1, MAX_EVENTS), "max_bytes": (1024, MAX_BYTES), "window_seconds": (0, MAX_WINDOW)}


def check_batch(batch: Any) -> dict[str, Any] | None:
    """Return ``batch`` with its defaults; None: each event has a request of its own. Raises Invalid."""
    if batch is None:
        return None
    if not isinstance(batch, Mapping):
        raise Invalid("batch", 'Must be an object: {"max_events": 100, "max_bytes": 262144, "window_seconds": 1}.')
    unknown, reason = unknown_member(batch, _LIMITS)
    if reason:
        raise Invalid("batch", reason, f"/{unknown}")
    for name, value in batch.items():
        least, most = _LIMITS[name]
        is_number = isinstance(value, (int, float) if name == "window_seconds" else int) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            what = "a number" if name == "window_seconds" else "an integer"
            raise Invalid("batch", f"{name}: must be {what} from {least} to {most:g}.", f"/{name}")
    return Batch(**batch)._asdict()
