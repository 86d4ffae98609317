"""Check what has to be in order before an upgrade changes anything."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.db import connection

from config.doctor import databases, surroundings
from config.doctor.finding import Finding, error, ok, warning
from config.upgrade.pending import PendingMigration, unknown_migrations
from config.upgrade.versions import has_table, listed, running_programs, versions
from webhooks.encryption.models import EncryptionKey
from webhooks.version import VERSION

LONG = 60  # seconds: a transaction that has run so long may hold a lock for longer
MIB = 1024**2


def check_installation(pending: Iterable[PendingMigration]) -> Iterator[Finding]:
    """Check the database, the keys and the disk, as the doctor does.

    The keys are checked later if the tables of their app change: this version's code reads them as they will be.
    """
    yield from databases.check_server()
    yield from databases.check_pooler()
    yield from surroundings.check_disk()
    if EncryptionKey._meta.app_label not in {it.app for it in pending}:
        yield from databases.check_encryption_keys()


def check_versions() -> Iterator[Finding]:
    """Check that the database is not that of a newer version."""
    if strange := unknown_migrations():
        yield error(
            f"the database has migrations that version {VERSION} does not know: {', '.join(strange[:3])}",
            "another version has upgraded it: install that one, or a newer one",
        )
    newest = versions().first() if has_table() else None
    if newest is None:
        yield ok(f"this is version {VERSION}; the database has no record of a version")
    elif newest.installed_at is None:
        yield warning(f"the upgrade to version {newest} was interrupted", "it is continued")
    else:
        yield ok(f"this is version {VERSION}; the database is that of version {newest}")


def check_programs(pending: Iterable[PendingMigration]) -> Iterator[Finding]:
    """Check that the programs are stopped if a migration needs that, and name what may hold locks."""
    running = running_programs()
    offline = [it for it in pending if it.offline]
    if offline and running:
        yield error(
            f"programs run, and {offline[0].label} must not run beside them: {offline[0].offline}",
            f"stop all programs on all machines first: {listed(running)}",
        )
    elif running:
        yield ok(f"programs run, and may go on: {listed(running)}")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND xact_start < clock_timestamp() - make_interval(secs => %s)",
            [LONG],
        )
        if (count := cursor.fetchone()[0]) > 0:
            yield warning(
                f"transactions that have run for more than {LONG} s: {count}", "a migration may wait for them"
            )


def check_backup(directory: Path) -> Iterator[Finding]:
    """Check that the directory of the backup can be made, and that there is space for it."""
    if directory.exists():
        yield error(f"{directory} exists", "name a directory that does not exist yet, for the backup")
        return
    above = next(it for it in directory.absolute().parents if it.exists())
    free, needed = shutil.disk_usage(above).free, _bytes_of_tables()
    if free < needed:
        yield error(
            f"{free // MIB:,} MiB are free at {above}, and the tables have {needed // MIB:,} MiB",
            "free some, or name another directory",
        )
    else:
        yield ok(f"there is space for the backup at {above}")


def _bytes_of_tables() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(pg_table_size(oid)), 0)::bigint FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        return int(cursor.fetchone()[0])
