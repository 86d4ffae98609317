"""Count the errors of the database, handled or not: a rise is the first sign that something is wrong with it."""

from collections.abc import Callable
from typing import Any

from django.db import Error, IntegrityError

from webhooks.kit.metrics.gathered import GatheredCounter

_KINDS = {"40P01": "deadlock", "40001": "serialization", "57014": "timeout", "55P03": "lock"}
CONNECTION, OTHER = "connection", "other"
_CONNECTION_CLASSES = ("08", "53", "57")  # of SQLSTATE: connection, resources, shutdown

DATABASE_ERRORS = GatheredCounter(
    "waypost_database_errors_total",
    "Statements and connections that the database refused or lost, by kind. Broken constraints are not counted.",
    ["kind"],
    series=[(kind,) for kind in (CONNECTION, *_KINDS.values(), OTHER)],
)


def count_database_error(error: Error) -> None:
    """Count an error of the database by its SQLSTATE, but for broken constraints, which are part of the work."""
    if isinstance(error, IntegrityError):
        return
    state = getattr(error.__cause__, "sqlstate", None) or ""
    is_connection = not state or state[:2] in _CONNECTION_CLASSES
    DATABASE_ERRORS.add(1, _KINDS.get(state) or (CONNECTION if is_connection else OTHER))


def counting_errors(execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
    """Run a statement of Django's cursor (``connection.execute_wrappers``), and count its error."""
    try:
        return execute(sql, params, many, context)
    except Error as error:
        count_database_error(error)
        raise
