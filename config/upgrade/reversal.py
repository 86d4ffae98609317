"""Say what taking a migration back cannot undo, and what it deletes. Nothing here asks the database."""

from typing import NamedTuple

from django.db.migrations import Migration
from django.db.migrations import operations as ops
from django.db.migrations.state import ProjectState

from config.upgrade.hazards import database_steps, described, table_of


def irreversible(migration: Migration, state: ProjectState) -> list[str]:
    """Return which operations cannot be taken back. ``state``: of the models before, changed to that after."""
    found = []
    for operation in migration.operations:
        if not operation.reversible:
            found.append(described(operation))
        elif isinstance(operation, ops.RemoveField) and not _can_be_empty(operation, migration.app_label, state):
            found.append(f"{described(operation)}: its values are gone, and it must not be empty")
        operation.state_forwards(migration.app_label, state)
    return found


def _can_be_empty(step: ops.RemoveField, app_label: str, state: ProjectState) -> bool:
    known = state.models.get((app_label, step.model_name_lower))
    field = known.fields.get(step.name) if known else None
    return field is None or field.null or field.has_default() or field.has_db_default() or field.many_to_many


class Discarded(NamedTuple):
    """Name what taking a migration back deletes. ``column`` is empty for a whole table."""

    table: str
    column: str = ""


def discarded(migration: Migration, state: ProjectState) -> list[Discarded]:
    """Return the tables and columns that the migration adds. ``state``: of the models before, changed to that after."""
    found = []
    for operation in migration.operations:
        for step in database_steps(operation):
            if isinstance(step, ops.CreateModel):
                found.append(Discarded(table_of(step, migration.app_label, state)))
            elif isinstance(step, ops.AddField) and not step.field.many_to_many:
                column = step.field.db_column or step.name + ("_id" if step.field.is_relation else "")
                found.append(Discarded(table_of(step, migration.app_label, state), column))
        operation.state_forwards(migration.app_label, state)
    return found
