"""Count the errors of statements that Django's cursor runs; ``webhooks.kit.sql`` counts those of the hot paths."""

from typing import Any

from django.db.backends.signals import connection_created

from webhooks.kit.metrics.database_errors import counting_errors
from webhooks.kit.metrics.switch import only_if_on


@only_if_on
def connect_signals() -> None:
    """Count the errors of each connection that is opened from now on."""
    connection_created.connect(_count, dispatch_uid="statement_errors")


def _count(connection: Any, **_signal: Any) -> None:
    if counting_errors not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, counting_errors)
