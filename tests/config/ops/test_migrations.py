"""Test the comparison of migrations: it agrees with Django's executor."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from config.ops.migrations import missing_migrations


def planned() -> set[tuple[str, str]]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return {(migration.app_label, migration.name) for migration, _ in plan}


@pytest.mark.django_db
def test_no_migration_is_missing_after_all_were_applied() -> None:
    assert missing_migrations() == []


@pytest.mark.django_db
def test_missing_migrations_are_those_that_django_would_apply() -> None:
    MigrationRecorder(connection).migration_qs.filter(app__in=["delivery", "sessions"]).delete()
    missing = missing_migrations()
    assert {app for app, _ in missing} == {"delivery", "sessions"}
    assert set(missing) == planned()
