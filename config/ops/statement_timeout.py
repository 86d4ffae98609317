"""Cancel statements of requests that take longer than WAYPOST_STATEMENT_SECONDS, so that no request holds its thread.

The limit is set once for each connection that is opened while a thread serves a request; such connections are kept
(CONN_MAX_AGE), and serve requests only. Workers, commands and the writers of group commits have no such limit: what
they do may take long. PostgreSQL cancels the statement, also one that waits for a lock, and the client gets a 503.

Through a pooler in transaction mode a setting does not last beyond the transaction: there the pooler sets the limit, by
``connect_query`` of PgBouncer.
"""

import threading
from typing import Any

from django.conf import settings
from django.core.signals import request_finished, request_started
from django.db.backends.signals import connection_created

_serving = threading.local()


def connect_signals() -> None:
    """Set the limit on connections that requests open."""
    request_started.connect(_begin, dispatch_uid="statement_timeout")
    request_finished.connect(_end, dispatch_uid="statement_timeout")
    connection_created.connect(_limit, dispatch_uid="statement_timeout")


def _begin(**_signal: Any) -> None:
    _serving.is_request = True


def _end(**_signal: Any) -> None:
    _serving.is_request = False


def _limit(connection: Any, **_signal: Any) -> None:
    if getattr(_serving, "is_request", False) and not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, false)", [_milliseconds()])


def _milliseconds() -> str:
    return str(int(settings.WAYPOST_STATEMENT_SECONDS * 1000))
