"""The rules for migrations of this repository: expand, then contract; each can be taken back.

docs/how-to/change-the-database.md says how to write one.
"""

from collections.abc import Iterator

import pytest
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader

from config.upgrade.empty_database import create_tables
from config.upgrade.hazards import hazards_of
from config.upgrade.reversal import irreversible
from tests.config.upgrade.databases import as_default, other_database, schema

OURS = ("config", "webhooks", "subscriptions", "delivery")


def loader() -> MigrationLoader:
    return MigrationLoader(None)


def migrations() -> list[Migration]:
    """Return the migrations of this repository in order."""
    made = loader()
    plan = [made.graph.nodes[node] for leaf in made.graph.leaf_nodes() for node in made.graph.forwards_plan(leaf)]
    return [it for it in dict.fromkeys(plan) if it.app_label in OURS]


ALL = migrations()
LATER = [it for it in ALL if not it.initial]


@pytest.mark.parametrize("migration", ALL, ids=str)
def test_migration_can_be_taken_back(migration: Migration) -> None:
    before = loader().project_state((migration.app_label, migration.name), at_end=False)
    assert irreversible(migration, before) == []


def test_migration_runs_beside_processes_of_the_version_before_or_says_why_not() -> None:
    """Expand: what old code does not need may be added. Contract, and what cannot be judged, is explained in it."""
    for migration in LATER:
        if hasattr(migration, "online") or hasattr(migration, "offline"):
            continue
        before = loader().project_state((migration.app_label, migration.name), at_end=False)
        assert [it.text for it in hazards_of(migration, before, set())] == [], migration


def test_migration_without_a_transaction_has_one_operation() -> None:
    """Interrupted, it is run again from its start: a second operation would meet what the first one has done."""
    assert [it for it in ALL if not it.atomic and len(it.operations) > 1] == []


@pytest.fixture
def empty_database() -> Iterator[DatabaseWrapper]:
    """Return a connection to an empty database beside that of the tests."""
    with other_database("waypost_migrations") as made, as_default(made):
        yield made


@pytest.mark.django_db
def test_schema_of_an_empty_database_is_that_of_all_migrations_taken_back_and_applied_again(
    empty_database: DatabaseWrapper,
) -> None:
    def migrate(*targets: tuple[str, str | None]) -> None:
        executor = MigrationExecutor(empty_database)
        executor.migrate(list(targets) or executor.loader.graph.leaf_nodes())

    create_tables(empty_database)
    made = schema(empty_database)
    migrate(*((app, None) for app in OURS))
    left = {name for kind, name, _ in schema(empty_database) if name.startswith(OURS) or "audit" in name}
    migrate()
    assert left == set()
    assert schema(empty_database) == made
