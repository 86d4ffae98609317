"""How things look in the operators' pages: states, results, payloads. Whatever came from outside is escaped."""

from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString

from delivery.models import Delivery, Replay
from delivery.reading.pretty_json import pretty

__all__ = ["last_result", "payload", "pill"]

SHOWN_CHARACTERS = 65_536  # of a payload; the rest is said to be there

TONES: Final = {
    Delivery.State.PENDING: "info",
    Delivery.State.SENDING: "info",
    Delivery.State.DELIVERED: "good",
    Delivery.State.DEAD: "bad",
    Delivery.State.CANCELLED: "warn",
    Replay.State.RUNNING: "info",
    Replay.State.FINISHED: "good",
    "open": "bad",
    "replayed": "good",
    "active": "info",
    "ready": "info",
    "endpoint_inactive": "warn",
    "circuit_open": "bad",
}


def pill(state: str, text: str = "", title: str = "") -> SafeString:
    """A word for a state, in its colour."""
    tone = TONES.get(state, "plain")
    return format_html('<span class="wp-pill wp-{}" title="{}">{}</span>', tone, title, text or state)


def last_result(status: int | None, error: str) -> SafeString | str:
    """A status and the class of the failure, as far as there is one."""
    if status is None and not error:
        return "-"
    tone = "bad" if error else "good"
    text = " ".join(str(part) for part in (status, error if error != "status" else "") if part)
    return format_html('<span class="wp-pill wp-{}">{}</span>', tone, text)


def payload(body: bytes | memoryview | None) -> SafeString:
    """Bytes that were or will be sent, indented if they are JSON."""
    size = len(body or b"")
    text = bytes(body or b"").decode("utf-8", "replace")
    readable = pretty(text) if text.lstrip()[:1] in ("{", "[") else text
    shown = readable[:SHOWN_CHARACTERS]
    note = f"{size:,} bytes" + ("" if len(readable) == len(shown) else f", the first {SHOWN_CHARACTERS:,} characters")
    return format_html('<p class="wp-note">{}</p><pre class="wp-code" tabindex="0">{}</pre>', note, shown)
