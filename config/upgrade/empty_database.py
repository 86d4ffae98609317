"""Give an empty database its tables: by statements that were recorded, or by all migrations.

``tables.sql`` has the statements that all migrations execute in an empty database, in their order. They take a tenth of
the time of the migrations, since Django makes the classes of a model, and of all models related to it, anew after each
operation that changes it. A test compares the file with the migrations, and writes it
(docs/how-to/change-the-database.md). All migrations are applied instead if the project has other migrations than those
that the file names, or if a statement fails, as in an older PostgreSQL; not if the database has tables of another
program, or permits no tables, since some of the migrations would be applied then.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import structlog
from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import BaseConstraint, Index

from config.ops.migrations import all_migrations
from config.postgresql.refusals import is_refused, refusal
from config.upgrade.apply import CannotApply

TABLES = Path(__file__).parent / "tables.sql"
MIGRATION = "-- migration "  # begins a line with the app and the name of a migration, whose statements follow

log = structlog.get_logger("waypost.upgrade")


def create_tables(connection: BaseDatabaseWrapper) -> None:
    """Create all tables of a database that has none, between `announce_begin` and `announce_end`.

    Raises CannotApply if the connection is lost meanwhile, or if the database refuses tables.
    """
    recorded = TABLES.read_text()
    names = recorded_migrations(recorded)
    if sorted(names) == sorted(all_migrations()):
        connection.ensure_connection()
        session = connection.connection
        try:
            _execute(connection, recorded, names)
        except Error as error:
            if connection.connection is not session:  # the lock against other upgrades is lost with it
                raise CannotApply(f"the connection to the database was lost, nothing was changed: {error}") from None
            if is_refused(error):
                raise CannotApply(f"DATABASE_URL: {refusal(error)}") from None
            log.warning("recorded statements not used", error=str(error).strip())
        else:
            return
    apply_migrations(connection)


def recorded_migrations(recorded: str) -> list[tuple[str, str]]:
    """Return the app and the name of each migration of a recording, in order."""
    lines = (line.removeprefix(MIGRATION) for line in recorded.splitlines() if line.startswith(MIGRATION))
    return [(app, name) for app, _, name in (line.partition(".") for line in lines)]


def _execute(connection: BaseDatabaseWrapper, statements: str, names: Iterable[tuple[str, str]]) -> None:
    """Execute these statements and record these migrations as applied, in one transaction. Raises django.db.Error."""
    with transaction.atomic(connection.alias), connection.cursor() as cursor:
        cursor.execute(statements)
        recorder = MigrationRecorder(connection)
        recorder.ensure_schema()
        recorder.migration_qs.bulk_create([recorder.Migration(app=app, name=name) for app, name in names])


def apply_migrations(connection: BaseDatabaseWrapper) -> None:
    """Apply all migrations to a database that has no tables."""
    executor = MigrationExecutor(connection)
    state = _State(real_apps=executor.loader.unmigrated_apps)
    executor.migrate(executor.loader.graph.leaf_nodes(), state=state)


class _State(ProjectState):
    """The models as of a migration, not made anew for each index and constraint.

    An operation gets its index or constraint itself, and nothing reads those of the class after its table was created.
    On two processors the tables take 2.1 s instead of 4.1.
    """

    def add_index(self, app_label: str, model_name: str, index: Index) -> None:
        self._append(app_label, model_name, "indexes", index)

    def add_constraint(self, app_label: str, model_name: str, constraint: BaseConstraint) -> None:
        self._append(app_label, model_name, "constraints", constraint)

    def _append(self, app_label: str, model_name: str, option: str, it: Index | BaseConstraint) -> None:
        options = cast(ModelState, self.models[app_label, model_name]).options
        options[option] = [*options[option], it]
