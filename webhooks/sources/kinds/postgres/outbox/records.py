"""Make records of the rows of an outbox: CloudEvents in binary mode, or payloads as they are."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from webhooks.sources.kinds.kind import Position, Record, SourceUnavailable
from webhooks.sources.kinds.postgres.outbox.columns import JSON_TYPES, OutboxColumns
from webhooks.sources.kinds.postgres.outbox.rows import MAX_HEADERS_BYTES, MAX_ROW_BYTES, MAX_TEXT
from webhooks.wire import header_values

MAX_HEADERS = 100  # of a row


def make_record(
    row: dict[str, Any], position: Position, columns: OutboxColumns, settings: Mapping[str, Any], source: str
) -> Record:
    """Return the record of a row: a CloudEvent in binary mode if the row has a type, else its payload as it is."""
    problem = f"The payload is larger than {MAX_ROW_BYTES // 1024**2} MiB." if row["is_large"] else ""
    texts: dict[str, str] = {}
    for name in ("id", "type", "key", "time", "source", "subject"):
        try:
            texts[name] = (row[name] or b"").decode()
        except UnicodeDecodeError:
            if name == "id":  # the row could be neither deleted nor marked
                raise SourceUnavailable("A value of the column is not UTF-8.", "settings.id_column") from None
            texts[name] = (row[name] or b"").decode(errors="replace")
            problem = f"The column of the {name} is not UTF-8."
        if len(texts[name]) > MAX_TEXT:
            problem = f"The column of the {name} has more than {MAX_TEXT:,} characters."
            if name == "id":
                raise SourceUnavailable(problem, "settings.id_column")
    event_type = texts["type"] or settings.get("event_type") or ""
    headers, wrong = _headers(row["headers"])
    if event_type:
        attributes = {"specversion": "1.0", "id": texts["id"], "type": event_type, "source": texts["source"] or source}
        attributes |= {name: texts[name] for name in ("subject", "time") if texts[name]}
        headers |= {f"ce-{name}": header_values.encode(value) for name, value in attributes.items()}
    is_json = columns.payload.type in JSON_TYPES
    return Record(
        id=texts["id"],
        body=bytes(row["payload"] or b""),
        position=position,
        headers=headers,
        content_type="application/json" if is_json else settings["content_type"],
        time=_moment(texts["time"]),
        event_type=event_type,
        order_key=texts["key"],
        problem=problem or wrong,
        handle=texts["id"],
    )


def _headers(value: bytes | None) -> tuple[dict[str, str], str]:
    """Return the headers in a column, in lower case, and what is wrong with them."""
    if value is None:
        return {}, ""
    if len(value) > MAX_HEADERS_BYTES:
        return {}, f"The headers have more than {MAX_HEADERS_BYTES // 1024} KiB."
    try:
        found = orjson.loads(value)
    except ValueError:
        return {}, "The headers are not JSON."
    if not isinstance(found, dict) or len(found) > MAX_HEADERS:
        return {}, f"The headers are not an object of at most {MAX_HEADERS} strings."
    headers = {}
    for name, text in found.items():
        if not header_values.is_name(name) or not isinstance(text, str) or not text.isprintable():
            return {}, f"The header {name[:100]!r} is not a name with a string of printable characters."
        headers[name.lower()] = text
    return headers, ""


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:  # a year after 9999
        return None
