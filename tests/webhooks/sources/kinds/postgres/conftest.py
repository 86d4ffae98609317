"""Another application's database: a second database of the embedded server, reached over TCP with a password."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from config.local.embedded.tcp import TcpForwarder, tcp_forwarder
from webhooks.kit.kinds.setting import check_settings
from webhooks.models import Source
from webhooks.readers.open_readers import close_readers
from webhooks.sources.kinds.kind import Connection
from webhooks.sources.kinds.registry import find_kind
from webhooks.sources.sources import create_source

PASSWORD = "correct horse"


class Shop:
    """The other application: its database, its role, and statements that it runs."""

    def __init__(
        self,
        name: str,
        owner: "psycopg.Connection[Any]",
        admin: "psycopg.Connection[Any]",
        forwarder: TcpForwarder,
    ) -> None:
        self.name, self.owner, self.admin, self.forwarder = name, owner, admin, forwarder
        self.opened: list[psycopg.Connection[Any]] = []

    def connect(self, **options: Any) -> "psycopg.Connection[Any]":
        """Return a further connection of the application, which is closed after the test."""
        opened = psycopg.connect(
            **{**self.owner.info.get_parameters(), "password": PASSWORD, "autocommit": True, **options}
        )
        self.opened.append(opened)
        return opened

    def run(self, statement: str, parameters: Any = None) -> list[Any]:
        """Run a statement of the application."""
        cursor = self.owner.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Return settings that connect to it."""
        place = {"host": "127.0.0.1", "port": self.forwarder.port, "database": self.name, "user": self.name}
        return {**place, "tls": "disable", **changes}

    def source(self, kind: str, **changes: Any) -> Source:
        """Create a source that reads it."""
        made = self.connection(kind, **changes)
        return create_source(kind=kind, scheme="none", settings=dict(made.settings), credentials=dict(made.credentials))

    def connection(self, kind: str, *, password: str = PASSWORD, **changes: Any) -> Connection:
        """Return what a kind connects with, its settings checked as when a source is created."""
        found = find_kind(kind)
        settings, credentials = check_settings(found.settings, self.settings(**changes), {"password": password})
        made = Connection("src_00000000000000000000000001", "shop", settings, credentials)
        found.check(made)
        return made


@pytest.fixture(scope="session")
def shop_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[Shop]:
    """The database, made once for all tests of this process."""
    name = f"read_shop_{os.getpid()}"
    with django_db_blocker.unblock():
        connection.ensure_connection()  # starts the server, if no other test has
        connection.close()
        own = connection.settings_dict
        server = {key: value for key, value in (("host", own["HOST"]), ("port", own["PORT"])) if value}
        admin = psycopg.connect(
            dbname="postgres", user=own["USER"], password=own["PASSWORD"] or None, autocommit=True, **server
        )
    admin.execute(f"CREATE ROLE {name} LOGIN REPLICATION PASSWORD '{PASSWORD}'")
    admin.execute(f"CREATE DATABASE {name} OWNER {name}")
    owner = psycopg.connect(dbname=name, user=name, password=PASSWORD, autocommit=True, **server)
    with tcp_forwarder(Path(own["HOST"]) / ".s.PGSQL.5432") as forwarder:
        yield Shop(name, owner, admin, forwarder)
    owner.close()
    for (slot,) in admin.execute("SELECT slot_name FROM pg_replication_slots WHERE database = %s", [name]).fetchall():
        admin.execute("SELECT pg_drop_replication_slot(%s)", [slot])
    admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    admin.execute(f"DROP ROLE {name}")
    admin.close()


@pytest.fixture
def shop(shop_database: Shop, settings: Any) -> Iterator[Shop]:
    """The database without tables, on a loopback address that the operator allows."""
    settings.WAYPOST_ALLOW_NETWORKS = ["127.0.0.0/8"]
    yield shop_database
    close_readers()
    for opened in shop_database.opened:
        opened.close()
    shop_database.opened.clear()
    shop_database.run(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()"
    )
    for (publication,) in shop_database.run("SELECT pubname FROM pg_publication"):
        shop_database.run(f'DROP PUBLICATION "{publication}"')
    for (table,) in shop_database.run(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') "
        "AND relnamespace = 'public'::regnamespace AND NOT relispartition"
    ):
        shop_database.run(f"DROP TABLE {table} CASCADE")
