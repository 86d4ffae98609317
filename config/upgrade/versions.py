"""Read and write which version has installed which migrations (``InstalledVersion``)."""

from typing import NamedTuple

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.models import QuerySet
from django.utils import timezone

from config.upgrade.models import InstalledVersion
from delivery.load.processes import SILENT_AFTER_OTHERS
from webhooks.version import VERSION

Heads = dict[str, str]
"""The last applied migration of each app."""

# The columns of InstalledVersion and of the heartbeats that the first version had: others may not be there yet.
COLUMNS = ("id", "version", "migrations", "backup", "begun_at", "installed_at", "rolled_back_at")
SHOWN = 3  # programs in a line of text
RUNNING = "SELECT name, machine, version FROM delivery_heartbeat WHERE reported_at > now() - make_interval(secs => %s)"


class Program(NamedTuple):
    """A program that runs on some machine."""

    name: str
    machine: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} on {self.machine} (version {self.version})"


def applied_heads() -> Heads:
    """Return the last applied migration of each app that this version has; empty for an empty database."""
    loader = MigrationLoader(connection)
    applied = {node for node in loader.applied_migrations if node in loader.graph.nodes}
    parents = {
        parent.key for node in applied for parent in loader.graph.node_map[node].parents if parent.key[0] == node[0]
    }
    return dict(sorted(applied - parents))


def versions() -> QuerySet[InstalledVersion]:
    """Return the versions that were installed and not rolled back, the newest first."""
    return InstalledVersion.objects.only(*COLUMNS).filter(rolled_back_at=None).order_by("-id")


def has_table() -> bool:
    """Return whether this database records versions."""
    return InstalledVersion._meta.db_table in connection.introspection.table_names()


def is_installed(heads: Heads) -> bool:
    """Return whether the newest record is of this version, complete, with these migrations."""
    newest = versions().first()
    return (
        newest is not None
        and newest.installed_at is not None
        and (newest.version, newest.migrations) == (VERSION, heads)
    )


def begin(before: Heads, backup: str) -> InstalledVersion:
    """Return the record of this upgrade, that of an interrupted one if there is any.

    ``before``: the migrations that the database has. If no record has them, one is made of them too: they were
    applied by hand, or by a version that made no records. ``backup``: its directory, of the state before.
    """
    newest = versions().first()
    if newest is not None and newest.installed_at is None:
        newest.version = VERSION
        newest.backup = newest.backup or backup
        newest.save()
        return newest
    if before and (newest is None or newest.migrations != before):
        InstalledVersion.objects.create(version=running_version(), migrations=before, installed_at=timezone.now())
    return InstalledVersion.objects.create(version=VERSION, backup=backup)


def complete(record: InstalledVersion) -> None:
    """Record that a version is installed, with the migrations that are applied now."""
    record.migrations, record.installed_at = applied_heads(), timezone.now()
    record.save()


def running_version() -> str:
    """Return the version of the running programs; empty if there is none, or more than one."""
    found = {it.version for it in running_programs()}
    return found.pop() if len(found) == 1 else ""


def running_programs(*, but_not: str = "") -> list[Program]:
    """Return the programs that run on all machines. ``but_not``: a version to leave out."""
    with connection.cursor() as cursor:
        if "delivery_heartbeat" not in connection.introspection.table_names(cursor):
            return []
        cursor.execute(RUNNING, [SILENT_AFTER_OTHERS])
        found = [Program(*row) for row in cursor.fetchall()]
    return [it for it in found if it.version != but_not]


def listed(programs: list[Program]) -> str:
    """Return the first programs in one line, and how many more there are."""
    more = f" and {len(programs) - SHOWN} more" if len(programs) > SHOWN else ""
    return ", ".join(map(str, programs[:SHOWN])) + more
