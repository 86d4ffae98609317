"""Apply one migration, or take one back, so that a busy platform never waits for long.

A statement that changes a table waits for all transactions that use it, and all later ones wait behind it. So it waits
LOCK_TIMEOUT at most; then the migration is rolled back, the platform works on, and it is tried again after a pause, for
as long as ``patience`` seconds. An index that is built concurrently blocks nothing, and waits without a limit.

One process migrates at a time: it holds an advisory lock of its session, so it needs a connection that no pooler
hands out by transaction.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, repeat

from django.contrib.postgres.operations import AddIndexConcurrently
from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db import Error, OperationalError, connection
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor

LOCK = 0x7761_7970  # advisory lock of the process that migrates
LOCK_TIMEOUT = 1.0  # seconds that a migration waits for a table, and statements of the platform behind it
PAUSES = (1.0, 2.0, 5.0, 10.0)  # seconds between two attempts; the last one repeats
POLL_EVERY = 1.0  # seconds
AGAIN = {"55P03", "40P01"}  # SQLSTATE: a lock was not to be had within lock_timeout; a deadlock

Report = Callable[[str], None]
"""Take a line about the progress."""


class CannotApply(Exception):
    """A migration was not applied. The message is for the operator."""


@contextmanager
def exclusively(report: Report) -> Iterator[None]:
    """Keep other processes from migrating meanwhile; wait for one that does."""
    is_waiting = False
    while not _lock("pg_try_advisory_lock"):
        if not is_waiting:
            report("another process upgrades this database; waiting for it")
        is_waiting = True
        time.sleep(POLL_EVERY)
    try:
        yield
    finally:
        with suppress(Error):  # a lost connection has lost its lock too
            _lock("pg_advisory_unlock")


def _lock(function: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [LOCK])
        return bool(cursor.fetchone()[0])


def apply(app: str, name: str | None, *, patience: float, report: Report) -> None:
    """Migrate an app up or down to a migration (None: to nothing). Raises CannotApply when patience is at an end."""
    until = time.monotonic() + patience
    for pause in chain(PAUSES, repeat(PAUSES[-1])):
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan([(app, name)])
        blocks = all(migration.atomic for migration, _ in plan)
        for migration, _ in plan:
            _drop_invalid_indexes(migration)
        try:
            with _timeouts(LOCK_TIMEOUT if blocks else 0.0):
                executor.migrate([(app, name)], plan=plan)
            return
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") not in AGAIN:
                raise
            if time.monotonic() + pause > until:
                raise CannotApply(
                    f"{app}.{name} gets no lock within {patience:.0f} s: {_holders()}; nothing of it was changed. "
                    "Run the command again when they have ended, or with a longer --wait"
                ) from None
            report(f"  the tables are in use; tried again in {pause:.0f} s ({_holders()})")
            time.sleep(pause)


@contextmanager
def _timeouts(lock_timeout: float) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, false), set_config('statement_timeout', '0', false), "
            "set_config('idle_in_transaction_session_timeout', '0', false)",
            [f"{lock_timeout * 1000:.0f}"],
        )
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout; RESET statement_timeout; RESET idle_in_transaction_session_timeout")


def _drop_invalid_indexes(migration: Migration) -> None:
    """Drop what an interrupted attempt to build an index concurrently has left: an index that nothing uses."""
    for operation in migration.operations:
        if isinstance(operation, AddIndexConcurrently):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT FROM pg_index WHERE indexrelid = to_regclass(quote_ident(%s)) AND NOT indisvalid",
                    [operation.index.name],
                )
                if cursor.fetchone() is not None:
                    quoted = connection.ops.quote_name(operation.index.name)
                    cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {quoted}")


def _holders() -> str:
    """Name the transactions that have run longest: one of them holds the lock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('pid %s of %s, in a transaction for %s s', pid, "
            "coalesce(nullif(application_name, ''), usename), "
            "round(extract(epoch FROM clock_timestamp() - xact_start))) "
            "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 3"
        )
        return "; ".join(text for (text,) in cursor.fetchall()) or "nothing holds it any more"


def announce_begin() -> None:
    """Tell the apps that migrations begin, as Django's `migrate` does."""
    emit_pre_migrate_signal(verbosity=0, interactive=False, db=connection.alias)


def announce_end() -> None:
    """Tell the apps that migrations were applied: they make permissions and roles for new tables."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes(), clean_start=True)
    emit_post_migrate_signal(verbosity=0, interactive=False, db=connection.alias, plan=plan)
