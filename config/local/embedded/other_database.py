"""Run a PostgreSQL that stands for another application's: the database `shop`, with logical WAL, on a port of its own.

For the demo and the benchmarks, whose sources read it.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from config.local.embedded import POSTGRES, attach, discard
from config.local.embedded.place import Place
from config.local.embedded.tcp import tcp_forwarder

LOGICAL = "WAYPOST_EMBEDDED_LOGICAL"


class OtherDatabase(NamedTuple):
    """The application's connection, and where a source finds the database."""

    connection: "psycopg.Connection[Any]"
    settings: dict[str, Any]
    password: str


@contextmanager
def other_database(data: Path) -> Iterator[OtherDatabase]:
    """Start the server in a directory, and remove both in the end."""
    before = os.environ.get(LOGICAL)
    os.environ[LOGICAL] = "1"
    try:
        attach(POSTGRES, data)
    finally:
        os.environ.pop(LOGICAL) if before is None else os.environ.update({LOGICAL: before})
    path = POSTGRES.socket(Place(POSTGRES.name, data))
    password = secrets.token_hex(16)
    try:
        login: dict[str, Any] = {"host": str(path.parent), "user": "waypost", "autocommit": True}
        with psycopg.connect(dbname="waypost", **login) as admin:
            admin.execute(f"CREATE ROLE shop LOGIN REPLICATION PASSWORD '{password}'")
            admin.execute("CREATE DATABASE shop OWNER shop")
        login |= {"user": "shop", "password": password}
        with psycopg.connect(dbname="shop", **login) as own, tcp_forwarder(path) as forwarder:
            place = {"host": "127.0.0.1", "port": forwarder.port, "database": "shop", "user": "shop", "tls": "disable"}
            yield OtherDatabase(own, place, password)
    finally:
        discard(data)
