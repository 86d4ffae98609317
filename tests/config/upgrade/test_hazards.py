"""Test what a migration does to processes of the version before, and what taking it back loses, by its operations."""

from typing import Any

import pytest
from django.contrib.postgres import operations as postgres
from django.db import models
from django.db.migrations import Migration, RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from config.upgrade.hazards import Kind, hazards_of
from config.upgrade.reversal import Discarded, discarded, irreversible

INDEX = models.Index(fields=["name"], name="item_name")
UNIQUE = models.UniqueConstraint(fields=["name"], name="unique_name")
POSITIVE = models.CheckConstraint(condition=models.Q(size__gt=0), name="positive")
NOTHING = RunSQL.noop

ITEM = ops.CreateModel(
    "Item",
    [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=10)),
        ("size", models.IntegerField(null=True)),
    ],
)


def state() -> ProjectState:
    made = ProjectState()
    ITEM.state_forwards("shop", made)
    return made


def migration(*operations: Operation) -> Migration:
    made = Migration("0002_next", "shop")
    made.operations = list(operations)
    return made


def found(*operations: Operation) -> list[tuple[Kind, str]]:
    return [(it.kind, it.table) for it in hazards_of(migration(*operations), state(), set())]


def add(field: "models.Field[Any, Any]") -> Operation:
    return ops.AddField("item", "added", field)


def alter(name: str, field: "models.Field[Any, Any]") -> Operation:
    return ops.AlterField("item", name, field)


@pytest.mark.parametrize(
    "operation",
    [
        ops.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))]),
        add(models.IntegerField(null=True)),
        add(models.IntegerField(db_default=0)),
        add(models.ForeignKey("shop.Item", models.CASCADE, null=True, db_index=False, db_constraint=False)),
        add(models.ManyToManyField("shop.Item")),
        alter("name", models.CharField(max_length=10, help_text="Its name.", default="x", verbose_name="called")),
        alter("name", models.CharField(max_length=20)),
        alter("name", models.TextField()),
        alter("name", models.CharField(max_length=10, null=True)),
        alter("size", models.IntegerField(null=True, db_default=0)),
        postgres.AddIndexConcurrently("item", INDEX),
        ops.RemoveIndex("item", "item_name"),
        ops.AlterModelOptions("item", {"ordering": ["name"]}),
        SeparateDatabaseAndState(state_operations=[ops.RemoveField("item", "size")]),
    ],
    ids=lambda it: it.describe(),
)
def test_operation_that_adds_what_old_code_does_not_need_is_no_hazard(operation: Operation) -> None:
    if isinstance(operation, ops.RemoveIndex):
        assert found(postgres.AddIndexConcurrently("item", INDEX), operation) == []
    else:
        assert found(operation) == []


@pytest.mark.parametrize(
    "operation",
    [
        ops.RemoveField("item", "name"),
        ops.RenameField("item", "name", "title"),
        ops.DeleteModel("Item"),
        ops.RenameModel("Item", "Thing"),
        ops.AlterModelTable("item", "things"),
        add(models.IntegerField(default=0)),
        alter("size", models.IntegerField()),
        alter("size", models.TextField(null=True)),
        alter("name", models.CharField(max_length=5)),
        SeparateDatabaseAndState(database_operations=[ops.RemoveField("item", "name")]),
    ],
    ids=lambda it: it.describe(),
)
def test_operation_that_old_code_fails_with_breaks_it(operation: Operation) -> None:
    assert [kind for kind, _ in found(operation)] == [Kind.BREAKS]


@pytest.mark.parametrize(
    "operation",
    [
        ops.AddIndex("item", INDEX),
        add(models.IntegerField(null=True, unique=True)),
        add(models.ForeignKey("shop.Item", models.CASCADE, null=True, db_index=False)),
        alter("name", models.CharField(max_length=10, db_index=True)),
    ],
    ids=lambda it: it.describe(),
)
def test_operation_that_reads_the_whole_table_blocks_it(operation: Operation) -> None:
    assert found(operation) == [(Kind.BLOCKS, "shop_item")]


def test_constraint_refuses_what_old_code_may_write_and_checks_all_rows() -> None:
    assert [kind for kind, _ in found(ops.AddConstraint("item", UNIQUE))] == [Kind.BREAKS, Kind.BLOCKS]
    assert [kind for kind, _ in found(postgres.AddConstraintNotValid("item", POSITIVE))] == [Kind.BREAKS]


@pytest.mark.parametrize("operation", [RunSQL("SELECT 1", NOTHING), RunPython(RunPython.noop, RunPython.noop)])
def test_sql_and_python_cannot_be_judged(operation: Operation) -> None:
    assert [kind for kind, _ in found(operation)] == [Kind.UNKNOWN]


def test_table_that_the_migration_creates_is_not_in_use() -> None:
    other = ops.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))])
    index = models.Index(fields=["id"], name="other_id")
    assert found(other, ops.AddIndex("other", index), ops.RemoveField("other", "id")) == []


@pytest.mark.parametrize(
    "operation",
    [RunSQL("SELECT 1"), RunPython(RunPython.noop), ops.RemoveField("item", "name")],
    ids=lambda it: it.describe(),
)
def test_operation_without_a_way_back_is_irreversible(operation: Operation) -> None:
    assert len(irreversible(migration(operation), state())) == 1


@pytest.mark.parametrize(
    "operation",
    [RunSQL("SELECT 1", NOTHING), ops.RemoveField("item", "size"), add(models.IntegerField(null=True))],
    ids=lambda it: it.describe(),
)
def test_operation_with_a_way_back_is_reversible(operation: Operation) -> None:
    assert irreversible(migration(operation), state()) == []


def test_tables_and_columns_that_are_added_are_discarded_on_the_way_back() -> None:
    other = ops.CreateModel("Other", [("id", models.BigAutoField(primary_key=True))], {"db_table": "others"})
    parent = models.ForeignKey("shop.Item", models.CASCADE, null=True)
    assert discarded(migration(other, add(parent)), state()) == [
        Discarded("others"),
        Discarded("shop_item", "added_id"),
    ]
