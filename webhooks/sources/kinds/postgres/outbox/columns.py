"""Find the table of an outbox and the columns that the settings name, and check their types and rights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhooks.sources.kinds.kind import SourceUnavailable
from webhooks.sources.kinds.postgres.connect import Database
from webhooks.sources.kinds.postgres.outbox.settings import AFTER, COLUMNS, TABLE
from webhooks.sources.kinds.postgres.tables import Column, Table, find_table

TIME_TYPES = ("timestamp with time zone", "timestamp without time zone")
JSON_TYPES = ("json", "jsonb")


@dataclass(frozen=True, slots=True)
class OutboxColumns:
    """The columns of the table that are read; None: not mapped."""

    id: Column
    payload: Column
    type: Column | None
    headers: Column | None
    key: Column | None
    time: Column | None
    source: Column | None
    subject: Column | None
    mark: Column | None


def find_outbox(database: Database, settings: Mapping[str, Any]) -> tuple[Table, OutboxColumns]:
    """Return the table and the columns that the settings name. Raises SourceUnavailable."""
    table = find_table(database, settings["table"], TABLE.path)
    if not table.is_readable:
        raise SourceUnavailable(f"The role may not read {table.full_name}; GRANT SELECT to it.", TABLE.path)
    found = {setting.name.removesuffix("_column"): _find(table, settings, setting.name) for setting in COLUMNS}
    if settings["after"] != "mark":
        found["mark"] = None
    columns = OutboxColumns(**found)  # type: ignore[arg-type]
    _check_types(columns, settings["after"])
    _check_rights(table, columns, settings["after"])
    return table, columns


def _find(table: Table, settings: Mapping[str, Any], setting: str) -> Column | None:
    name = settings.get(setting)
    if name is None:
        return None
    if name not in table.columns:
        known = ", ".join(list(table.columns)[:20])
        raise SourceUnavailable(
            f"The table {table.full_name} has no column {name}; it has {known}.", f"settings.{setting}"
        )
    return table.columns[name]


def _check_types(columns: OutboxColumns, after: str) -> None:
    payloads = (*JSON_TYPES, "text", "bytea", "character varying")
    if columns.payload.type not in payloads:
        raise SourceUnavailable(f"Must be a column of {', '.join(payloads)}.", "settings.payload_column")
    if not columns.id.is_required:
        raise SourceUnavailable("Must be a column that is NOT NULL, and unique.", "settings.id_column")
    if columns.headers is not None and columns.headers.type not in (*JSON_TYPES, "text"):
        raise SourceUnavailable("Must be a column of json, jsonb or text.", "settings.headers_column")
    if columns.time is not None and columns.time.type not in TIME_TYPES:
        raise SourceUnavailable(f"Must be a column of {' or '.join(TIME_TYPES)}.", "settings.time_column")
    if after == "leave" and columns.time is not None and not columns.time.is_required:
        raise SourceUnavailable("Must be NOT NULL where after is leave.", "settings.time_column")
    if columns.mark is not None and columns.mark.type not in ("boolean", *TIME_TYPES):
        raise SourceUnavailable("Must be a column of boolean or timestamp with time zone.", "settings.mark_column")


def _check_rights(table: Table, columns: OutboxColumns, after: str) -> None:
    if after == "delete" and not table.is_deletable:
        text = f"The role may not delete rows of {table.full_name}; GRANT DELETE to it, or choose mark or leave."
        raise SourceUnavailable(text, AFTER.path)
    if columns.mark is not None and not columns.mark.is_writable:
        text = f"The role may not set {columns.mark.name}; GRANT UPDATE ({columns.mark.name}) to it, or choose leave."
        raise SourceUnavailable(text, AFTER.path)
