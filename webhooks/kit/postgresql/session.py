"""Tell whether this thread's connection keeps its session, and open one that does.

A pooler in transaction mode gives each transaction any session of the server: prepared statements, settings, advisory
locks and LISTEN do not last beyond it. DISABLE_SERVER_SIDE_CURSORS is Django's setting for a connection through one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper


def keeps_session() -> bool:
    """Return whether all transactions of this thread's connection are in one session."""
    return not connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")


@contextmanager
def kept_session() -> Iterator[BaseDatabaseWrapper]:
    """Return a connection that keeps its session: this thread's, or else another, which is closed afterwards."""
    if keeps_session():
        yield connections[connection.alias]
        return
    own = connections.create_connection(connection.alias)
    try:
        yield own
    finally:
        own.close()
