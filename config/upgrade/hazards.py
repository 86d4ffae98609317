"""Judge what a migration does while processes of the version before still run.

The rule is expand, then contract: a version adds what its code needs (a table, a column that may be empty or has a
default in the database, an index that is built concurrently), and a later version removes what no running code uses.
A migration that cannot be judged by its operations, or is to be judged otherwise, says so itself:

    class Migration(migrations.Migration):
        online = "no version since 0.3.0 reads this column"     # may run while the platform runs
        offline = "both versions would write the counters"      # all programs have to be stopped

Nothing here asks the database.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from django.contrib.postgres import operations as postgres
from django.db import models
from django.db.migrations import Migration, RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState


class Kind(StrEnum):
    """Grade a hazard."""

    BREAKS = "breaks processes of the version before"
    BLOCKS = "blocks the table while it runs"  # for as long as the table is large
    UNKNOWN = "cannot be judged"


class Hazard(NamedTuple):
    """Hold what an operation may harm. ``table``: of BLOCKS, whose size decides."""

    kind: Kind
    text: str
    table: str = ""


# Options of a field that change nothing in the database: a Python ``default`` is dropped once the column is there.
NOT_IN_DATABASE = {*models.Field.non_db_attrs, "default", "related_name", "auto_now", "auto_now_add", "serialize"}
SAFE = (
    *(ops.CreateModel, ops.AlterModelOptions, ops.AlterModelManagers, ops.AlterModelTableComment),
    *(ops.RemoveIndex, ops.RenameIndex, postgres.AddIndexConcurrently, postgres.RemoveIndexConcurrently),
    postgres.ValidateConstraint,
)
REMOVES = (
    *(ops.RemoveField, ops.RenameField, ops.DeleteModel, ops.RenameModel, ops.AlterModelTable),
    *(ops.AlterUniqueTogether, ops.AlterIndexTogether, ops.AlterOrderWithRespectTo),
)


def hazards_of(migration: Migration, state: ProjectState, created: set[str]) -> list[Hazard]:
    """Return the hazards of a migration. ``state``: of the models before it, which is changed to that after it.

    ``created``: tables that are not in use yet, to which those are added that the migration creates.
    """
    found: list[Hazard] = []
    for operation in migration.operations:
        for step in database_steps(operation):
            table = table_of(step, migration.app_label, state)
            if isinstance(step, ops.CreateModel):
                created.add(table)
            if table not in created or not table:
                found += _hazards(step, table, _field_before(step, migration.app_label, state))
        operation.state_forwards(migration.app_label, state)
    return found


def database_steps(operation: Operation) -> Iterable[Operation]:
    """Return the operations that change the database."""
    return operation.database_operations if isinstance(operation, SeparateDatabaseAndState) else (operation,)


def _hazards(step: Operation, table: str, before: "models.Field[Any, Any] | None") -> Iterator[Hazard]:
    """Yield the hazards of one operation. ``before``: the field that it changes."""
    match step:
        case ops.AddField():
            yield from _added(step.field, table, step.name)
        case ops.AlterField():
            yield from _altered(before, step.field, table, step.name)
        case ops.AddConstraint() | ops.RemoveConstraint():
            yield from _constraint(step, table)
        case ops.AddIndex() if not isinstance(step, postgres.AddIndexConcurrently):
            yield Hazard(Kind.BLOCKS, f"builds {step.index.name}; use AddIndexConcurrently", table)
        case _ if isinstance(step, SAFE):
            return
        case _ if isinstance(step, REMOVES):
            yield Hazard(Kind.BREAKS, f"{described(step)}, which they still use", table)
        case RunSQL() | RunPython():
            yield Hazard(
                Kind.UNKNOWN, "runs SQL or Python: say in the migration what it does, as `online` or `offline`"
            )
        case _:
            yield Hazard(Kind.UNKNOWN, f"{type(step).__name__}: say in the migration what it does")


def _added(field: "models.Field[Any, Any]", table: str, name: str) -> Iterator[Hazard]:
    if field.many_to_many:
        return
    if not field.null and not field.has_db_default() and not getattr(field, "generated", False):
        text = f"adds {name}, which must not be NULL and has no db_default: they insert rows without it"
        yield Hazard(Kind.BREAKS, text, table)
    if getattr(field, "generated", False):
        yield Hazard(Kind.BLOCKS, f"adds the generated column {name}: rewrites the table", table)
    if field.unique or getattr(field, "db_index", False):
        yield Hazard(Kind.BLOCKS, f"builds an index of {name}; use db_index=False and AddIndexConcurrently", table)
    if getattr(field, "db_constraint", False):
        yield Hazard(Kind.BLOCKS, f"checks the foreign key {name}; use db_constraint=False", table)


def _altered(
    before: "models.Field[Any, Any] | None", after: "models.Field[Any, Any]", table: str, name: str
) -> Iterator[Hazard]:
    """Yield what the change of a column does. Without ``before`` nothing is known."""
    if before is None:
        yield Hazard(Kind.UNKNOWN, f"changes {name}", table)
        return
    old, new = _stored(before), _stored(after)
    if old.pop("null", False) and not new.pop("null", False):
        yield Hazard(Kind.BREAKS, f"{name} must not be NULL any more: they may still write NULL", table)
    new.pop("null", None)
    if not _has_index(old) and _has_index(new):
        yield Hazard(Kind.BLOCKS, f"builds an index of {name}; use AddIndexConcurrently", table)
    for one in (old, new):
        one.pop("db_index", None), one.pop("unique", None), one.pop("db_default", None)
    if old != new and not _is_wider(before, after):
        yield Hazard(Kind.BREAKS, f"changes the type of {name}, and may rewrite the table", table)


def _constraint(step: ops.AddConstraint | ops.RemoveConstraint, table: str) -> Iterator[Hazard]:
    if isinstance(step, ops.RemoveConstraint):
        yield Hazard(Kind.BREAKS, f"removes {step.name}, which ON CONFLICT may name", table)
        return
    name = step.constraint.name
    yield Hazard(Kind.BREAKS, f"adds {name}: they may write what it refuses", table)
    if not isinstance(step, postgres.AddConstraintNotValid):
        yield Hazard(Kind.BLOCKS, f"checks all rows for {name}; use AddConstraintNotValid", table)


def _stored(field: "models.Field[Any, Any]") -> dict[str, Any]:
    """Return what of a field is stored in the database."""
    _, path, _, options = field.deconstruct()
    return {"class": path, **{name: value for name, value in options.items() if name not in NOT_IN_DATABASE}}


def _has_index(stored: Mapping[str, Any]) -> bool:
    return bool(stored.get("db_index") or stored.get("unique"))


def _is_wider(before: "models.Field[Any, Any]", after: "models.Field[Any, Any]") -> bool:
    """Return whether PostgreSQL stores the new type as it stores the old one."""
    names = (type(before).__name__, type(after).__name__)
    if names == ("CharField", "CharField"):
        return (after.max_length or 10**9) >= (before.max_length or 10**9)
    return names == ("CharField", "TextField")


def table_of(step: Operation, app_label: str, state: ProjectState) -> str:
    """Return the table that an operation changes; empty if it is not known. ``state``: of the models before it."""
    name = getattr(step, "model_name", "") or getattr(step, "name", "") if _is_of_a_model(step) else ""
    if not name:
        return ""
    known = state.models.get((app_label, name.lower()))
    options = known.options if known else getattr(step, "options", {}) or {}
    return str(options.get("db_table") or f"{app_label}_{name.lower()}")


def _is_of_a_model(step: Operation) -> bool:
    return not isinstance(step, RunSQL | RunPython)


def _field_before(step: Operation, app_label: str, state: ProjectState) -> "models.Field[Any, Any] | None":
    if not isinstance(step, ops.AlterField):
        return None
    known = state.models.get((app_label, step.model_name_lower))
    return known.fields.get(step.name) if known else None


def described(step: Operation) -> str:
    """Return what an operation does, as it continues a sentence."""
    return step.describe()[:1].lower() + step.describe()[1:]
