"""Write messages as Server-Sent Events (WHATWG HTML, section 9.2), which any HTTP client can read as they come."""

import orjson

from delivery.pulling.cursor import Cursor
from delivery.pulling.pull import Pulled

EVENT_STREAM = "text/event-stream"
LAST_EVENT_ID = "Last-Event-ID"
RETRY_MS = 1_000  # milliseconds after which a client connects again
BEGIN = b"retry: %d\n\n" % RETRY_MS
COMMENT = b": no messages\n\n"  # keeps the connection open through proxies


def as_events(pulled: Pulled) -> bytes:
    """Return an event for each message: its data is the message as JSON, its id the position behind it."""
    position = pulled.cursor
    return b"".join(
        b"id: %s\ndata: %s\n\n"
        % (str(Cursor(position.consumer, position.token, it.delivery_id)).encode(), orjson.dumps(it.shown()))
        for it in pulled.messages
    )
