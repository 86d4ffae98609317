"""Upgrade the database to this version, in steps that can be repeated: an interrupted upgrade is run again.

1. check     the installation, the versions, what runs, the backup; an error ends it, and nothing was changed
2. back up   into a new directory
3. migrate   one migration after the other, each as a whole or not at all
4. record    the version and its migrations, for `rollback`
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from django.db import Error, connection

from config.backup.directory import back_up
from config.backup.postgresql import BackupFailed
from config.doctor.finding import Finding, Level
from config.ops.migrations import is_empty_database
from config.postgresql.refusals import is_refused, refusal
from config.upgrade import checks, versions
from config.upgrade.apply import CannotApply, Report, announce_begin, announce_end, apply, exclusively
from config.upgrade.empty_database import create_tables
from config.upgrade.models import InstalledVersion
from config.upgrade.pending import PendingMigration, pending_migrations

PATIENCE = 300.0  # seconds that a migration may wait for its lock, pauses between attempts included
OWN_APP = InstalledVersion._meta.app_label


@dataclass(frozen=True, slots=True)
class Options:
    """Hold what the operator wants: where to back up (None: nowhere), and how long a migration may wait for a lock."""

    backup: Path | None = None
    patience: float = PATIENCE


def findings(pending: list[PendingMigration], options: Options) -> Iterator[Finding]:
    """Check everything; yield what is found."""
    yield from chain(checks.check_installation(pending), checks.check_versions(), checks.check_programs(pending))
    if pending and options.backup is not None:
        yield from checks.check_backup(options.backup)


def needs_backup(pending: list[PendingMigration]) -> bool:
    """Return whether the upgrade changes a database that has content."""
    return bool(pending) and not is_empty_database()


def describe(pending: list[PendingMigration]) -> Iterator[str]:
    """Yield a line for each migration: whether programs may run, and whether it can be taken back."""
    yield f"migrations to apply: {len(pending) or 'none'}"
    if not needs_backup(pending):
        return
    for it in pending:
        yield f"  {it.label}: " + ("all programs have to be stopped" if it.offline else "programs may run")
        if text := it.offline or it.note:
            yield f"      {text}"
        for text in it.irreversible:
            yield f"      cannot be rolled back: {text}"


def upgrade(options: Options, report: Report) -> None:
    """Back up, migrate and record the version. Raises CannotApply, and BackupFailed before anything was changed."""
    try:
        with exclusively(report):
            if is_empty_database():
                _install(report)
                return
            pending = pending_migrations()
            _migrate(pending, _back_up(pending, options, report), options.patience, report)
    except Error as error:
        if not is_refused(error):
            raise
        raise CannotApply(f"DATABASE_URL: {refusal(error)}") from error


def _install(report: Report) -> None:
    """Create the tables of an empty database, where nothing has to wait."""
    report("the database is empty: its tables are created")
    announce_begin()
    create_tables(connection)
    announce_end()
    versions.complete(versions.begin({}, ""))


def _back_up(pending: list[PendingMigration], options: Options, report: Report) -> str:
    """Return the directory of the backup, or an empty text if none is wanted or needed."""
    if options.backup is None or not pending:
        return ""
    for line in back_up(options.backup):
        report(f"backup: {line}")
    return str(options.backup.absolute())


def _migrate(pending: list[PendingMigration], backup: str, patience: float, report: Report) -> None:
    before = versions.applied_heads()
    if not pending and versions.is_installed(before):
        return
    own = [it for it in pending if it.app == OWN_APP]  # first: the table that records what was there before
    if own:
        apply(OWN_APP, own[-1].name, patience=patience, report=report)
    record = versions.begin(before, backup)
    announce_begin()
    others = [it for it in pending if it.app != OWN_APP]
    for number, it in enumerate(others, 1):
        began = time.monotonic()
        report(f"{number} of {len(others)}: {it.label}")
        apply(it.app, it.name, patience=patience, report=report)
        report(f"  done in {time.monotonic() - began:.1f} s")
    announce_end()
    versions.complete(record)


def migrate_at_start(report: Report) -> str:
    """Upgrade the database when a platform of this version starts; return why it cannot, or an empty text."""
    if not is_empty_database():
        found = chain(checks.check_versions(), checks.check_programs(pending_migrations()))
        wrong = [it for it in found if it.level is Level.ERROR]
        if wrong:
            return f"{wrong[0].text}; {wrong[0].advice}"
    try:
        upgrade(Options(), report)
    except (CannotApply, BackupFailed) as error:
        return str(error)
    return ""
