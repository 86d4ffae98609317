"""An app of the tests whose migrations are written by them, on the database of the tests."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

APP = "tests.config.upgrade.shop"
MIGRATION = """
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = {dependencies}
    operations = [{operations}]
    {attributes}
"""
ITEM = "migrations.CreateModel('Item', [('id', models.BigAutoField(primary_key=True)), ('name', models.TextField())])"
PRICE = "migrations.AddField('item', 'price', models.IntegerField(null=True))"
INDEX = "AddIndexConcurrently('item', models.Index(fields=['name'], name='item_name'))"


class Shop:
    """The app's migrations, each after the one before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last = ""

    def add(self, name: str, operations: str, attributes: str = "") -> None:
        """Write a migration."""
        dependencies = [("shop", self._last)] if self._last else []
        text = MIGRATION.format(dependencies=dependencies, operations=operations, attributes=attributes or "pass")
        (self.folder / f"{name}.py").write_text(text)
        self._last = name
        importlib.invalidate_caches()

    def remove(self, name: str) -> None:
        """Delete the file of the last migration, as in the version before."""
        (self.folder / f"{name}.py").unlink()
        sys.modules.pop(f"{self.folder.name}.{name}", None)
        importlib.invalidate_caches()
        self._last = max(it.stem for it in self.folder.glob("0*.py"))

    def columns(self) -> set[str]:
        """Return the columns of its table; none if there is no table."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'shop_item'")
            return {name for (name,) in cursor.fetchall()}

    def applied(self) -> list[str]:
        """Return its applied migrations."""
        return sorted(name for app, name in MigrationRecorder(connection).applied_migrations() if app == "shop")


@pytest.fixture
def shop(transactional_db: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """Install the app, with a first migration that is not applied."""
    folder = tmp_path / f"shop_migrations_{uuid4().hex}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    settings.MIGRATION_MODULES = {"shop": folder.name}
    for owner in (admin, admin.sites):  # installing an app lets unfold put an empty one in its place
        monkeypatch.setattr(owner, "site", admin.site)
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, APP]
    made = Shop(folder)
    made.add("0001_initial", ITEM)
    yield made
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS shop_item")
    MigrationRecorder(connection).migration_qs.filter(app="shop").delete()
