"""Take the migrations of the installed version back, to those that the version before had recorded.

Processes of the version before run with the newer tables (see ``hazards``), so to go back to it needs no rollback:
install it and restart. A rollback of the tables is for what follows, such as another version that has other migrations
of the same name. What its migrations have added is deleted, so nothing may run that uses it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from config.doctor.finding import Finding, error, ok
from config.upgrade import versions
from config.upgrade.apply import Report, apply, exclusively
from config.upgrade.models import InstalledVersion
from config.upgrade.pending import unknown_migrations
from config.upgrade.reversal import Discarded, discarded, irreversible
from config.upgrade.run import OWN_APP
from webhooks.version import VERSION


class Backward(NamedTuple):
    """A migration to take back, what keeps it from that, and what of its tables and columns has content."""

    app: str
    name: str
    irreversible: list[str]
    with_content: list[str]

    @property
    def label(self) -> str:
        """Return the name with its app."""
        return f"{self.app}.{self.name}"


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """How to get from one version to the one before. ``targets``: the migrations of each app to go back to."""

    installed: InstalledVersion
    target: InstalledVersion
    targets: list[tuple[str, str | None]]
    steps: list[Backward]


def rollback_plan() -> RollbackPlan | None:
    """Return how to get to the version before; None if the database has no record of one."""
    found = list(versions.versions()[:2]) if versions.has_table() else []
    if len(found) < 2:
        return None
    installed, target = found
    executor = MigrationExecutor(connection)
    heads, nodes = target.migrations, executor.loader.graph.nodes
    apps = {app for app, _ in executor.loader.applied_migrations if app in executor.loader.migrated_apps} - {OWN_APP}
    targets = [(app, heads.get(app)) for app in sorted(apps) if (app, heads.get(app)) in nodes or app not in heads]
    # Django takes back all of an app that has no migration there, and what comes after the one that it names.
    backward = [it for it, is_backward in executor.migration_plan(targets) if is_backward]
    return RollbackPlan(installed, target, targets, [_backward(executor, it) for it in backward])


def _backward(executor: MigrationExecutor, migration: Migration) -> Backward:
    loader = executor.loader
    state = loader.project_state((migration.app_label, migration.name), at_end=False)
    kept = irreversible(migration, state.clone())
    content = [_named(it) for it in discarded(migration, state) if _has_content(it)]
    return Backward(migration.app_label, migration.name, kept, content)


def _named(it: Discarded) -> str:
    return f"column {it.column} of {it.table}" if it.column else f"table {it.table}"


def _has_content(it: Discarded) -> bool:
    quote = connection.ops.quote_name
    condition = f" WHERE {quote(it.column)} IS NOT NULL" if it.column else ""
    with connection.cursor() as cursor:
        if it.table not in connection.introspection.table_names(cursor):
            return False
        cursor.execute(f"SELECT EXISTS (SELECT FROM {quote(it.table)}{condition})")  # noqa: S608 (quoted names)
        return bool(cursor.fetchone()[0])


def findings(plan: RollbackPlan, *, discard: bool) -> Iterator[Finding]:
    """Check whether the plan can be carried out. ``discard``: the operator gives up what the migrations have added."""
    advice = f"restore the backup into an empty database: {restore_command(plan)}"
    if strange := unknown_migrations():
        yield error(f"version {VERSION} does not know {strange[0]}", "install the version that has applied it")
    for step in plan.steps:
        for text in step.irreversible:
            yield error(f"{step.label} cannot be taken back: {text}", advice)
        for what in step.with_content:
            if not discard:
                yield error(
                    f"{step.label} has added the {what}, which has content", "give it up with --discard, or keep it"
                )
    others = plan.target.version if plan.target.version != plan.installed.version else ""
    if plan.steps and (running := versions.running_programs(but_not=others)):
        yield error(f"programs run that may use what is taken back: {versions.listed(running)}", "stop them first")
    else:
        yield ok("no program runs that uses what is taken back")


def restore_command(plan: RollbackPlan) -> str:
    """Return the command that restores the backup made before the installed version."""
    return f"waypost-server restore {plan.installed.backup or 'BACKUP (none was made by upgrade)'}"


def roll_back(plan: RollbackPlan, patience: float, report: Report) -> None:
    """Take the migrations back, and record it. Raises CannotApply; run again, it continues."""
    with exclusively(report):
        for number, step in enumerate(plan.steps, 1):
            report(f"{number} of {len(plan.steps)}: {step.label}")
            apply(step.app, _parent(step), patience=patience, report=report)
        plan.installed.rolled_back_at = timezone.now()
        plan.installed.save()


def _parent(step: Backward) -> str | None:
    """Return the migration of the same app before this one."""
    graph = MigrationExecutor(connection).loader.graph
    parents = [it.key[1] for it in graph.node_map[(step.app, step.name)].parents if it.key[0] == step.app]
    return parents[0] if parents else None
