"""Make records of changes: a CloudEvent in binary mode whose data is ``{before, after, key, lsn}``."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from webhooks.sources.kinds.kind import Position, Record
from webhooks.sources.kinds.postgres.pgoutput import UNCHANGED, LogicalMessage, Relation, Row, RowChange, format_lsn
from webhooks.sources.kinds.postgres.values import Convert
from webhooks.wire import header_values
from webhooks.wire.cloudevents.http_modes import STRUCTURED

JSON = "application/json"
LONGEST_KEY = 200  # characters of an order key


@dataclass(frozen=True, slots=True)
class TableChanges:
    """A table as its changes are written: names and conversions of its columns, and which of them are its key."""

    relation: Relation
    converters: tuple[Convert, ...]
    key: tuple[str, ...]

    @property
    def event_type(self) -> str:
        """Return the beginning of the types of its events."""
        relation = self.relation
        return (
            f"postgres.{relation.name}"
            if relation.schema == "public"
            else f"postgres.{relation.schema}.{relation.name}"
        )

    def convert(
        self, row: Row, *, only_key: bool = False, former: Row | None = None
    ) -> tuple[dict[str, Any], list[str]]:
        """Return the values of a row by column, and the columns whose values are not known.

        ``only_key``: other columns are not in the row. ``former``: the row before, with the values that did not change.
        Raises ValueError.
        """
        found: dict[str, Any] = {}
        unknown = []
        for place, (column, value) in enumerate(zip(self.relation.columns, row, strict=True)):
            if only_key and not column.is_key:
                continue
            if value is UNCHANGED and former is not None:
                value = former[place]  # noqa: PLW2901
            if value is UNCHANGED:
                unknown.append(column.name)
            elif value is None:
                found[column.name] = None
            else:
                found[column.name] = self.converters[place](value)  # type: ignore[arg-type]
        return found, unknown

    def key_of(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the values of the key in a converted row; None if the table has no key."""
        return {name: row.get(name) for name in self.key} or None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a change is: its id, its LSN, when it was committed, and the position behind it."""

    id: str
    lsn: int
    time: datetime
    position: Position
    source: str


def row_record(table: TableChanges, change: RowChange, place: Place) -> Record:
    """Return the record of a row that was changed. Raises ValueError if a value cannot be read."""
    former = None if change.is_key else change.before
    before = None if change.before is None else table.convert(change.before, only_key=change.is_key)[0]
    after, unknown = (None, []) if change.after is None else table.convert(change.after, former=former)
    data: dict[str, Any] = {"before": before, "after": after, "key": table.key_of(after or before or {})}
    data["lsn"] = format_lsn(place.lsn)
    if unknown:
        data["unchanged"] = unknown
    return _record(f"{table.event_type}.{change.kind}", data, table, place)


def copied_record(table: TableChanges, row: Row, place: Place) -> Record:
    """Return the record of a row of the first copy. Raises ValueError if a value cannot be read."""
    after, _ = table.convert(row)
    data = {"before": None, "after": after, "key": table.key_of(after), "lsn": format_lsn(place.lsn), "copied": True}
    return _record(f"{table.event_type}.inserted", data, table, place)


def truncate_record(table: TableChanges, place: Place) -> Record:
    """Return the record of a table that was emptied."""
    data = {"before": None, "after": None, "key": None, "lsn": format_lsn(place.lsn)}
    return _record(f"{table.event_type}.truncated", data, table, place)


def message_record(message: LogicalMessage, place: Place) -> Record:
    """Return the record of a logical message: an event in JSON, ``{type, data, ...}`` or a CloudEvent."""
    plain = Record(place.id, message.content, place.position, {}, JSON, place.time)
    try:
        found = orjson.loads(message.content)
    except ValueError:
        return _changed(plain, problem="The message is not JSON.")
    if not isinstance(found, dict) or not isinstance(found.get("type"), str) or not found["type"]:
        return _changed(plain, problem='The message is not an object with "type" and "data".')
    if "specversion" in found:
        return _changed(plain, content_type=STRUCTURED, event_type=found["type"])
    attributes = {name: value for name, value in found.items() if name != "data"}
    wrong = [
        name for name, value in attributes.items() if not (name.isalnum() and name.islower() and isinstance(value, str))
    ]
    if wrong:
        return _changed(plain, problem=f"The member {wrong[0][:100]!r} is not an attribute of an event with a string.")
    body = orjson.dumps(found["data"]) if "data" in found else b""
    headers = _headers({"id": place.id, "source": place.source, "time": _moment(place.time), **attributes})
    return _changed(plain, body=body, headers=headers, event_type=found["type"])


def unreadable_record(data: bytes, place: Place, problem: str) -> Record:
    """Return the record of a change that cannot be read: its bytes and the reason."""
    return Record(place.id, data, place.position, {}, "application/octet-stream", place.time, problem=problem)


def _record(event_type: str, data: dict[str, Any], table: TableChanges, place: Place) -> Record:
    key = orjson.dumps(data["key"]).decode()
    if len(key) > LONGEST_KEY:
        key = hashlib.sha256(key.encode()).hexdigest()
    headers = {"ce-specversion": "1.0", "ce-type": header_values.encode(event_type), "ce-time": _moment(place.time)}
    return Record(
        id=place.id,
        body=orjson.dumps(data),
        position=place.position,
        headers={**headers, "ce-id": header_values.encode(place.id), "ce-source": place.source},
        content_type=JSON,
        time=place.time,
        event_type=event_type,
        order_key=f"{table.relation.schema}.{table.relation.name} {key}",
    )


def _headers(attributes: Mapping[str, str]) -> dict[str, str]:
    return {f"ce-{name}": header_values.encode(value) for name, value in {"specversion": "1.0", **attributes}.items()}


def _moment(time: datetime) -> str:
    return time.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _changed(record: Record, **changes: Any) -> Record:
    values = {name: getattr(record, name) for name in Record.__slots__}
    return Record(**{**values, **changes})
