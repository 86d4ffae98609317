"""Insert into a table of PostgreSQL: one row an event, INSERT ... ON CONFLICT DO NOTHING, many in one transaction.

The columns are mapped: each gets one part of the message (``id``, ``body``, ``type``, ...). With a unique index that
covers the column of the id, a repeat inserts nothing, so that each event is stored once. The commit acknowledges.

If a row of several is refused, each row is inserted under a savepoint of its own, so that it fails alone.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from delivery.transports.message import Message
from delivery.transports.outcome import Failure
from delivery.transports.sockets.kind import (
    SendFailed,
    Sent,
    ShownMessage,
    SocketKind,
    failure_of,
    guarded_address,
    tried,
)
from subscriptions.endpoints.destinations.kind import Connection, DestinationUnavailable, InvalidSettings, Setting
from webhooks.outgoing.guarded_host import split_host
from webhooks.wire.addresses.parsed_url import ForbiddenAddress

PORT = 5432
DEFAULT_COLUMNS = {"id": "id", "type": "type", "body": "body"}
# libpq reads the environment and the home directory of this process for what a connection does not say; nothing of ours
# may reach the servers of others.
NOTHING_OF_OURS: dict[str, Any] = {
    "passfile": os.devnull,
    "gssencmode": "disable",
    "sslcertmode": "disable",
    "require_auth": "none,password,md5,scram-sha-256",
    "target_session_attrs": "any",
    "client_encoding": "UTF8",
    "options": "",
}
INSERTED, CONFLICT = b"inserted", b"exists already"
TLS_MODES = ("verify-full", "require", "disable")
_NAME = re.compile(r"[^\0\".]{1,63}(\.[^\0\".]{1,63})?")


def _data(message: Message) -> str | None:
    """Return the data of the event as text; NULL for an event without data. A body that is no event is returned."""
    if message.event is None:
        return message.body.decode("utf-8", "replace")
    return None if message.event.data is None else message.event.data.decode("utf-8", "replace")


PARTS: dict[str, Callable[[Message], Any]] = {
    "id": lambda message: message.id,
    "body": lambda message: message.body.decode("utf-8", "replace"),
    "bytes": lambda message: message.body,
    "data": _data,
    "content_type": lambda message: message.content_type,
    "signature": lambda message: message.signature,
    "timestamp": lambda message: message.timestamp,
    "sent_at": lambda message: datetime.fromtimestamp(message.timestamp, UTC),
    "order_key": lambda message: message.order_key,
    **{
        name: lambda message, name=name: message.event_attributes.get(name)  # type: ignore[misc]
        for name in ("type", "source", "subject", "time", "partitionkey")
    },
    "event_id": lambda message: message.event_attributes.get("id"),
}
"""Values a column may get: part of a message, or attribute of its CloudEvent (NULL where it has none)."""


class Postgres(SocketKind):
    """Tables of PostgreSQL."""

    name = "postgres"
    label = "PostgreSQL table"
    description = (
        "An event becomes a row of a table (INSERT ... ON CONFLICT DO NOTHING). Once, if a unique index covers the "
        "column of the id; else at least once."
    )
    settings = (
        Setting("host", "Host", "Host and port of the server.", is_required=True, example="db.example.com:5432"),
        Setting("database", "Database", "Name of the database.", is_required=True, max_length=63),
        Setting("table", "Table", "Name of the table, or schema.table.", is_required=True, example="public.events"),
        Setting(
            "columns",
            "Columns",
            f"Columns to fill, each with what it gets: {', '.join(PARTS)}.",
            type="object",
            default=DEFAULT_COLUMNS,
            example='{"id": "id", "payload": "body", "kind": "type"}',
        ),
        Setting(
            "tls",
            "TLS",
            "`verify-full`: encrypted, with the certificate verified; `require`: encrypted; `disable`: not.",
            default="verify-full",
            choices=TLS_MODES,
        ),
        Setting("user", "User", "User, who needs INSERT on the table.", is_required=True, max_length=63),
        Setting("password", "Password", "Password of the user.", max_length=1024, is_credential=True),
    )
    max_entries = 200

    def check(self, connection: Connection) -> None:
        settings, problems = connection.settings, {}
        try:
            split_host(settings["host"], PORT)
        except ForbiddenAddress as error:
            problems["settings.host"] = str(error)
        if not _NAME.fullmatch(settings["table"]):
            problems["settings.table"] = "Must be the name of a table, or schema.table, without quotes."
        if problem := _wrong_columns(settings["columns"]):
            problems["settings.columns"] = problem
        if problems:
            raise InvalidSettings(problems)

    def address(self, settings: Mapping[str, Any]) -> str:
        host, port = split_host(settings["host"], PORT)
        shown = f"[{host}]" if ":" in host else host
        return f"postgresql://{shown}:{port}/{settings['database']}/{settings['table']}"

    def check_message(self, connection: Connection, message: Message) -> None:
        if b"\0" in message.body and {"body", "data"} & {*connection.settings["columns"].values()}:
            raise SendFailed(Failure.REFUSED, "The body has a NUL, which no text column can store; map bytes instead.")

    def test(self, connection: Connection) -> str:
        return tried(lambda: self._tested(connection), "settings.host")

    def _tested(self, connection: Connection) -> str:
        client = PostgresClient(connection, 5.0)
        try:
            return client.check_table()
        finally:
            client.close()

    def connect(self, connection: Connection, timeout: float) -> "PostgresClient":
        return PostgresClient(connection, timeout)

    def preview(self, connection: Connection, message: Message, now: float) -> ShownMessage:
        columns = connection.settings["columns"]
        values = {name: PARTS[part](message) for name, part in columns.items() if part not in ("body", "bytes")}
        shown = {name: "NULL" if value is None else str(value) for name, value in values.items()}
        return ShownMessage("INSERT", self.address(connection.settings), shown, message.body)


class PostgresClient:
    """Hold the connection to one database."""

    def __init__(self, connection: Connection, timeout: float) -> None:
        settings = connection.settings
        host, port = split_host(settings["host"], PORT)
        self._columns: Mapping[str, str] = settings["columns"]
        self._table = sql.Identifier(*settings["table"].split("."))
        try:
            self._session = psycopg.connect(
                host=host,
                hostaddr=guarded_address(connection, host, port),
                port=port,
                dbname=settings["database"],
                user=settings["user"],
                password=connection.credentials.get("password", ""),
                sslmode=settings["tls"],
                sslrootcert="system" if settings["tls"] == "verify-full" else "",
                **NOTHING_OF_OURS,
                connect_timeout=max(2, round(timeout)),
                application_name=f"waypost {connection.endpoint}"[:63],
                autocommit=True,
            )
        except psycopg.Error as error:
            raise _failed(error) from error
        names = sql.SQL(", ").join(map(sql.Identifier, self._columns))
        places = sql.SQL(", ").join([sql.Placeholder()] * len(self._columns))
        self._insert = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING").format(
            self._table, names, places
        )

    def check_table(self) -> str:
        """Return what was found of the table. Raises DestinationUnavailable."""
        try:
            names = sql.SQL(", ").join(map(sql.Identifier, self._columns))
            self._session.execute(sql.SQL("SELECT {} FROM {} LIMIT 0").format(names, self._table))
        except psycopg.errors.InsufficientPrivilege:  # INSERT alone suffices
            pass
        except psycopg.errors.UndefinedColumn as error:
            raise DestinationUnavailable(_text(error), "settings.columns") from error
        except psycopg.errors.UndefinedTable as error:
            raise DestinationUnavailable(_text(error), "settings.table") from error
        except psycopg.Error as error:
            raise _failed(error) from error
        name = self._table.as_string(self._session)
        allowed = self._session.execute("SELECT has_table_privilege(%s, 'INSERT')", (name,)).fetchone()
        if not allowed or not allowed[0]:
            raise DestinationUnavailable("The user may not insert into the table.", "credentials")
        return "The table has these columns, and the user may insert."

    def send(self, messages: Sequence[Message], timeout: float) -> Sequence[Sent]:
        rows = [self._row(it) for it in messages]
        try:
            self._session.execute("SELECT set_config('statement_timeout', %s, false)", (f"{int(timeout * 1000)}ms",))
            try:
                with self._session.transaction():
                    return [self._inserted(row) for row in rows]
            except psycopg.Error as error:
                if len(rows) == 1 or self._session.broken:
                    raise
                if isinstance(error, psycopg.errors.QueryCanceled):
                    raise
            with self._session.transaction():
                return [self._inserted_alone(row) for row in rows]
        except (psycopg.Error, OSError) as error:
            raise _failed(error, is_usable=not self._session.broken) from error

    def _row(self, message: Message) -> list[Any]:
        return [PARTS[part](message) for part in self._columns.values()]

    def _inserted(self, row: list[Any]) -> bytes:
        return INSERTED if self._session.execute(self._insert, row).rowcount else CONFLICT

    def _inserted_alone(self, row: list[Any]) -> Sent:
        try:
            with self._session.transaction():
                return self._inserted(row)
        except psycopg.Error as error:
            if self._session.broken:
                raise
            return _failed(error, is_usable=True)

    def close(self) -> None:
        self._session.close()


def _wrong_columns(columns: Mapping[str, Any]) -> str:
    """Return what is wrong with the mapping; empty if nothing is."""
    if not 1 <= len(columns) <= 64 or not all(0 < len(it) <= 63 and "\0" not in it for it in columns):
        return "Must name 1 to 64 columns."
    if unknown := [str(part) for part in columns.values() if part not in PARTS]:
        return f"{unknown[0]}: unknown; a column gets one of: {', '.join(PARTS)}."
    return ""


_MEANINGS = (
    ("28", Failure.ACCESS_DENIED),  # invalid authorization
    ("42501", Failure.ACCESS_DENIED),
    ("3D000", Failure.NOT_FOUND),  # no such database
    ("42P01", Failure.NOT_FOUND),
    ("42703", Failure.NOT_FOUND),
    ("3F000", Failure.NOT_FOUND),  # no such schema
    ("57014", Failure.TIMEOUT),  # statement_timeout
    ("53", Failure.THROTTLED),  # insufficient resources, too many connections
    ("22", Failure.REFUSED),  # data exceptions
    ("23", Failure.REFUSED),  # constraints
    ("42", Failure.REFUSED),
)


def _failed(error: Exception, *, is_usable: bool = False) -> SendFailed:
    """Return what an error of the server or the library means, by SQLSTATE."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        return _not_connected(error)
    for prefix, failure in _MEANINGS:
        if state.startswith(prefix):
            return SendFailed(failure, _text(error), connection_is_usable=is_usable)
    return SendFailed(Failure.UNAVAILABLE, _text(error), connection_is_usable=is_usable)


def _not_connected(error: Exception) -> SendFailed:
    """Return what an error without SQLSTATE means; libpq says why in words only."""
    text = str(error)
    for words, failure in (
        ("authentication failed", Failure.ACCESS_DENIED),
        ("does not exist", Failure.NOT_FOUND),
        ("pg_hba.conf", Failure.ACCESS_DENIED),
        ("no password supplied", Failure.ACCESS_DENIED),
        ("refused", Failure.CONNECT),
        ("timeout", Failure.TIMEOUT),
        ("certificate", Failure.TLS_ISSUER),
        ("SSL", Failure.TLS),
        ("closed", Failure.RESET),
    ):
        if words in text:
            return SendFailed(failure, _text(error))
    return failure_of(error) if isinstance(error, OSError) else SendFailed(Failure.UNREACHABLE, _text(error))


def _text(error: Exception) -> str:
    """Return the first line of an error, which names no values of the row."""
    return str(error).partition("\n")[0]
