"""Show the requests of an inspector to a reader: subject, body and headers as text, and a command that repeats each."""

from dataclasses import dataclass
from typing import Any

import orjson
from django.conf import settings
from django.db.models import QuerySet

from subscriptions.models import InspectedRequest
from webhooks.outgoing.curl_command import curl_command
from webhooks.wire.bodies.pretty_json import pretty
from webhooks.wire.header_values import curl_line

SHOWN = 50  # requests on a page; the API lists all that are kept
SHOWN_BODY = 16 * 1024  # characters of each body
MAX_CURL_BODY = 16 * 1024  # bytes; the command of a request with a larger body is not shown
# Headers that curl writes itself, for the connection that it opens.
OF_THE_CONNECTION = ("host", "content-length", "connection", "keep-alive", "transfer-encoding", "te", "upgrade")


@dataclass(frozen=True)
class ShownRequest:
    """A request as pages show it.

    ``subject``: the type of its event; empty: it has none. ``curl``: empty: its body is not kept, or is too long.
    """

    row: InspectedRequest
    subject: str
    body: str
    is_cut: bool
    curl: str

    @property
    def is_signed(self) -> bool:
        """Return whether the request has a signature, valid or not."""
        return "webhook-signature" in self.row.headers

    @property
    def query(self) -> str:
        """Return the query of the request with its question mark; empty if it has none."""
        return "".join(self.row.path.partition("?")[1:])

    @property
    def size(self) -> str:
        """Return the size of the whole body in bytes, with separators."""
        return f"{self.row.body_bytes:,}"


def shown_requests(rows: "QuerySet[InspectedRequest]") -> list[ShownRequest]:
    """Return the latest SHOWN of these requests, newest first."""
    return [_show(row) for row in rows.order_by("-pk")[:SHOWN]]


def text_of(request: InspectedRequest) -> str | None:
    """Return the kept body as text, without a character that was cut in the middle; None if it is not UTF-8."""
    body: Any = bytes(request.body)
    try:
        return str(body.decode())
    except UnicodeDecodeError as error:
        is_cut_character = request.is_cut and error.reason == "unexpected end of data"
        return str(body[: error.start].decode()) if is_cut_character else None


def curl_of(request: InspectedRequest) -> str:
    """Return a command that sends the request to its inspector again; empty if its body is too long for that."""
    body = bytes(request.body)
    if request.is_cut or len(body) > MAX_CURL_BODY:
        return ""
    lines = [curl_line(name, value) for name, value in request.headers.items() if name not in OF_THE_CONNECTION]
    if "content-type" not in request.headers:
        lines.append("content-type:")  # curl would add one of its own
    return curl_command(request.method, f"{settings.PUBLIC_URL}{request.path}", lines, body)


def _show(row: InspectedRequest) -> ShownRequest:
    text = text_of(row)
    document = _json(text)
    subject = document.get("type") if isinstance(document, dict) else None
    body = "" if text is None else text if document is None else pretty(text)
    return ShownRequest(
        row,
        subject=str(row.headers.get("ce-type") or (subject if isinstance(subject, str) else ""))[:200],
        body=body[:SHOWN_BODY] if text is not None else f"Not UTF-8: {row.body_bytes:,} bytes",
        is_cut=row.is_cut or len(body) > SHOWN_BODY,
        curl=curl_of(row),
    )


def _json(text: str | None) -> Any:
    try:
        return None if text is None else orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
