"""Test that the recorded statements create what the migrations do, and that migrations replace them where they fail.

To write the file anew: WAYPOST_WRITE_TABLES=1 pytest tests/config/upgrade/test_recorded_tables.py -k file
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from config.ops.migrations import all_migrations
from config.upgrade import empty_database as module
from config.upgrade.apply import CannotApply
from config.upgrade.empty_database import MIGRATION, TABLES, apply_migrations, create_tables
from tests.config.upgrade.databases import as_default, other_database, rows, schema

HEAD = "-- Written by tests/config/upgrade/test_recorded_tables.py: what all migrations execute in an empty database.\n"
LEFT_OUT = ("SELECT", "SAVEPOINT", "RELEASE", "SET CONSTRAINTS", 'CREATE TABLE "django_migrations"')
DEFAULT_TIME = re.compile(r"DEFAULT '[^']+'::timestamptz")  # the time of the recording, which no row gets
RECORDS = 'INSERT INTO "django_migrations"'

pytestmark = pytest.mark.django_db


@pytest.fixture
def database() -> Iterator[DatabaseWrapper]:
    with other_database("waypost_recorded") as made:
        yield made


@pytest.fixture
def migrated() -> Iterator[DatabaseWrapper]:
    with other_database("waypost_migrated") as made:
        with as_default(made):
            apply_migrations(made)
        yield made


def create(database: DatabaseWrapper) -> None:
    """Create the tables of an empty database."""
    with as_default(database):
        create_tables(database)


def applied(database: DatabaseWrapper) -> set[tuple[str, str]]:
    """Return the migrations that are recorded as applied."""
    with as_default(database):
        return set(MigrationRecorder(database).applied_migrations())


def record(database: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch) -> str:
    """Apply all migrations, and return what they execute, as the file has it."""
    parts: list[str] = []
    apply_one: Any = MigrationExecutor.apply_migration

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        text = str(sql).strip()
        if text and not text.startswith((*LEFT_OUT, RECORDS)):
            if params:
                text = psycopg.ClientCursor(database.connection).mogrify(text.encode(), params)
            text = DEFAULT_TIME.sub("DEFAULT now()", text)
            parts.append(text.rstrip(";").replace("INDEX CONCURRENTLY", "INDEX") + ";\n")
        return execute(sql, params, many, context)

    def apply_noted(self: MigrationExecutor, state: Any, migration: Migration, **options: Any) -> Any:
        parts.append(f"\n{MIGRATION}{migration.app_label}.{migration.name}\n")
        return apply_one(self, state, migration, **options)

    monkeypatch.setattr(MigrationExecutor, "apply_migration", apply_noted)
    with as_default(database), database.execute_wrapper(note):
        apply_migrations(database)
    return HEAD + "".join(parts)


def test_file_has_what_the_migrations_execute(database: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = record(database, monkeypatch)
    if os.environ.get("WAYPOST_WRITE_TABLES"):
        TABLES.write_text(recorded)
    assert TABLES.read_text() == recorded, "run this test with WAYPOST_WRITE_TABLES=1"


def test_recorded_statements_make_the_schema_and_the_rows_of_the_migrations(
    database: DatabaseWrapper, migrated: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "apply_migrations", pytest.fail)
    create(database)
    assert schema(database) == schema(migrated)
    assert rows(database) == rows(migrated)
    assert applied(database) == set(all_migrations())


def test_other_migrations_than_recorded_are_applied_one_by_one(
    database: DatabaseWrapper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = tmp_path / "tables.sql"
    fewer.write_text(TABLES.read_text().replace(f"{MIGRATION}delivery.0001_initial\n", ""))
    migrated: list[DatabaseWrapper] = []
    monkeypatch.setattr(module, "TABLES", fewer)
    monkeypatch.setattr(module, "apply_migrations", migrated.append)
    create(database)
    assert migrated == [database]
    assert applied(database) == set()


def test_lost_connection_ends_the_upgrade_since_its_lock_is_lost_too(
    database: DatabaseWrapper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = tmp_path / "tables.sql"
    ended.write_text(f"{TABLES.read_text()}\nSELECT pg_terminate_backend(pg_backend_pid());\n")
    monkeypatch.setattr(module, "TABLES", ended)
    monkeypatch.setattr(module, "apply_migrations", pytest.fail)
    with pytest.raises(CannotApply, match="connection to the database was lost"):
        create(database)
    database.close()
    assert not any(kind == "column" for kind, _, _ in schema(database))


def test_statement_that_the_server_refuses_leaves_nothing_and_the_migrations_are_applied(
    database: DatabaseWrapper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "tables.sql"
    broken.write_text(f"{TABLES.read_text()}\nCREATE TABLE of_a_later_server (id nonsense);\n")
    monkeypatch.setattr(module, "TABLES", broken)
    create(database)
    assert not any("of_a_later_server" in row for entry in schema(database) for row in entry)
    assert applied(database) == set(all_migrations())
