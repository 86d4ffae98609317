"""Write entries as JSON lines, and their changes as rows of a table."""

import re
from datetime import UTC, datetime
from typing import Any

from webhooks.audit.models import AuditEntry
from webhooks.audit.objects import public_object_id
from webhooks.wire.ids import public
from webhooks.wire.json_numbers import stored_json

COLUMNS = (
    *("created_at", "actor_type", "actor_id", "actor_name", "origin", "operation", "address", "request_id", "action"),
    *("object_type", "object_name", "part", "before", "after"),
)
SHOWN_CHARACTERS = 300  # of a value in a table
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")  # as PostgreSQL writes one in JSON


def as_line(entry: AuditEntry) -> bytes:
    """Return an entry as a line of JSON, with the names of the REST API; operators are named."""
    tenant = public("tnt", entry.tenant_id) if entry.tenant_id else None
    fields = {name: getattr(entry, name) for name in COLUMNS}
    line = {"id": entry.public_id, "tenant": tenant, "object_id": public_object_id(entry), **fields}
    return stored_json(line) + b"\n"


def changes_of(entry: AuditEntry) -> list[tuple[str, str, str]]:
    """Return each changed field with its value before and after, as text; empty: there was none."""
    before, after = entry.before or {}, entry.after or {}
    names = sorted({*before, *after}, key=lambda name: (name != "name", name))
    return [(name, _text(before.get(name)), _text(after.get(name))) for name in names]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str) and INSTANT.fullmatch(value):
        return f"{datetime.fromisoformat(value).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    text = value if isinstance(value, str) else stored_json(value).decode()
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
