"""Compare the migrations of the apps with those that the database has, without loading them.

Django's executor loads the migrations of all apps and builds their graph, which takes a tenth of a second and stays in
memory. Which names there are is enough to tell whether there is anything to do.
"""

import pkgutil
from importlib.util import find_spec

from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def missing_migrations() -> list[tuple[str, str]]:
    """Return the app and the name of each migration that is not applied."""
    applied = MigrationRecorder(connection).applied_migrations()
    return [migration for migration in all_migrations() if migration not in applied]


def all_migrations() -> list[tuple[str, str]]:
    """Return the app and the name of each migration of the installed apps."""
    return [(app.label, name) for app in apps.get_app_configs() for name in _names(app.label)]


def is_empty_database() -> bool:
    """Return whether no migration was ever applied."""
    return not MigrationRecorder(connection).applied_migrations()


def _names(app_label: str) -> list[str]:
    """Return the names of an app's migrations: the modules in its package of migrations."""
    package, _ = MigrationLoader.migrations_module(app_label)
    spec = find_spec(package) if package else None
    found = pkgutil.iter_modules(spec.submodule_search_locations) if spec else []
    return sorted(it.name for it in found if not it.ispkg and it.name[0] not in "_~")
