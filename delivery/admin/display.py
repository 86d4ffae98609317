"""Format states, results and payloads of deliveries."""

from typing import Final, TypeVar
from uuid import UUID

from django.conf import settings
from django.db.models import Model, QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString

from delivery.models import Delivery, Event, Replay
from delivery.reading.timeline import failure_name
from webhooks.kit.admin.display import NOTHING, Tone, code, pill
from webhooks.kit.tracing.context import trace_id_of
from webhooks.wire.bodies.pretty_json import pretty

M = TypeVar("M", bound=Model)

SHOWN_CHARACTERS = 65_536  # of a payload; the note above it gives its full size

TONES: Final[dict[str, Tone]] = {
    Delivery.State.PENDING: "info",
    Delivery.State.SENDING: "info",
    Delivery.State.DELIVERED: "good",
    Delivery.State.DEAD: "bad",
    Delivery.State.CANCELLED: "warn",
    Delivery.State.SUPERSEDED: "warn",
    Replay.State.RUNNING: "info",
    Replay.State.FINISHED: "good",
    "open": "bad",
    "acknowledged": "warn",
    "discarded": "plain",
    "replayed": "good",
    "ready": "info",
    "active": "info",
    "endpoint_inactive": "warn",
    "circuit_open": "bad",
    "pause_requested": "warn",
}


def state_pill(state: str, text: str = "", title: str = "") -> SafeString:
    """Return a state in its colour; ``text`` is shown instead of its name, ``title`` is the tooltip."""
    return pill(text or state.replace("_", " "), TONES.get(state, "plain"), title)


def last_result(status: int | None, error: str) -> SafeString | str:
    """Return the HTTP status and the failure in words, as far as there are any; its code is the tooltip."""
    code = "" if status and error == "status" else error
    text = " ".join(str(part) for part in (status, failure_name(code)) if part)
    return pill(text, "bad" if error else "good", code) if text else NOTHING


def payload(body: bytes | memoryview | None) -> SafeString:
    """Return the size of a body and its text, indented if it is JSON, cut at SHOWN_CHARACTERS."""
    size = len(body or b"")
    text = bytes(body or b"").decode("utf-8", "replace")
    readable = pretty(text) if text.lstrip()[:1] in ("{", "[") else text
    shown = readable[:SHOWN_CHARACTERS]
    note = f"{size:,} bytes" + ("" if len(readable) == len(shown) else f", the first {SHOWN_CHARACTERS:,} characters")
    return format_html('<p class="wp-note">{}</p>{}', note, code(shown))


def find(rows: QuerySet[M], key: UUID | None) -> M | None:
    """Return the row with this key, or None: retention deletes the rows of one table before those of another."""
    return None if key is None else rows.filter(pk=key).first()


def trace_link(event: Event) -> SafeString | str:
    """Return the trace that an event was published in, as a link where WAYPOST_TRACE_URL names a viewer."""
    trace_id = trace_id_of(event.traceparent)
    if not trace_id:
        return NOTHING
    if not settings.WAYPOST_TRACE_URL:
        return trace_id
    url = settings.WAYPOST_TRACE_URL.replace("{trace_id}", trace_id)
    return format_html('<a class="wp-link" href="{}">{}</a>', url, trace_id)
