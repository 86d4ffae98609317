"""Find the migrations to apply, and say for each whether it may run while the platform runs."""

from dataclasses import dataclass

from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from config.upgrade.hazards import Hazard, Kind, hazards_of
from config.upgrade.reversal import irreversible

SMALL = 100_000  # rows: an index of them is built, or all of them are checked, within about a second


@dataclass(frozen=True, slots=True)
class PendingMigration:
    """A migration to apply. ``offline`` says why all programs have to be stopped first; empty: they may run.

    ``note`` says what is known otherwise, ``irreversible`` which of its operations cannot be taken back.
    """

    app: str
    name: str
    offline: str
    note: str
    irreversible: tuple[str, ...]

    @property
    def label(self) -> str:
        """Return the name with its app."""
        return f"{self.app}.{self.name}"


def pending_migrations() -> list[PendingMigration]:
    """Return the migrations that are to be applied, in order."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    nodes = {(it.app_label, it.name) for it, _ in plan}
    rows = rows_by_table()
    created: set[str] = set()
    found = []
    state = executor.loader.project_state(
        [
            node
            for node in executor.loader.graph.nodes
            if node not in nodes and node in executor.loader.applied_migrations
        ]
    )
    for migration, _ in plan:
        known = irreversible(migration, state.clone())
        hazards = hazards_of(migration, state, created)
        offline = why_offline(migration, hazards, rows)
        note = getattr(migration, "online", "") or _note(hazards)
        found.append(PendingMigration(migration.app_label, migration.name, offline, note, tuple(known)))
    return found


def why_offline(migration: Migration, hazards: list[Hazard], rows: dict[str, int]) -> str:
    """Return why the programs have to be stopped for a migration; empty if they may run.

    What the migration says itself goes first. ``rows``: estimated, by table.
    """
    if declared := getattr(migration, "offline", ""):
        return str(declared)
    if getattr(migration, "online", ""):
        return ""
    large = [it for it in hazards if it.kind is Kind.BLOCKS and rows.get(it.table, 0) > SMALL]
    found = [*(it.text for it in hazards if it.kind is Kind.BREAKS)]
    found += [f"{it.text} ({it.table} has about {rows[it.table]:,} rows)" for it in large]
    return "; ".join(found)


def _note(hazards: list[Hazard]) -> str:
    return "; ".join(it.text for it in hazards if it.kind is not Kind.BREAKS)


def rows_by_table() -> dict[str, int]:
    """Return the estimated number of rows of each table, as the last ANALYZE has counted."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, greatest(reltuples, 0)::bigint FROM pg_class "
            "WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
        )
        return dict(cursor.fetchall())


def unknown_migrations() -> list[str]:
    """Return the migrations of the database that this version does not have: another version has applied them."""
    loader = MigrationLoader(connection)
    known = {app for app, _ in loader.graph.nodes}
    replaced = {name for it in loader.disk_migrations.values() for name in it.replaces}
    strange = set(loader.applied_migrations) - set(loader.disk_migrations) - replaced
    return sorted(f"{app}.{name}" for app, name in strange if app in known)
