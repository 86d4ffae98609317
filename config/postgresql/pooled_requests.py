"""Have requests use the pooler of DATABASE_URL, where WAYPOST_DIRECT_DATABASE_URL is the address of the server itself.

The pooler may be in transaction mode, so only what needs no session goes through it: the threads that serve requests,
which are most of a platform's connections. Workers, drains, the writers of group commits, commands and everything that
listens connect to the server itself (``webhooks.kit.postgresql.session``).
"""

from typing import Any

import psycopg
from django.conf import settings
from django.core.signals import request_started
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

ROUNDS = 5  # of comparing two connections; other clients of the pooler may come in between


def connect_signals() -> None:
    """Have the connections of threads that serve requests go through the pooler."""
    request_started.connect(_use_pooler, dispatch_uid="pooled_requests")


def _use_pooler(**_signal: Any) -> None:
    if settings.WAYPOST_POOLED_DATABASE is None:
        return
    own = connections[DEFAULT_DB_ALIAS]
    if not own.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        own.close()
        own.settings_dict = _pooled(own.settings_dict)


def _pooled(direct: dict[str, Any]) -> dict[str, Any]:
    return {**direct, **(settings.WAYPOST_POOLED_DATABASE or {}), "DISABLE_SERVER_SIDE_CURSORS": True}


def pooled_connection() -> BaseDatabaseWrapper:
    """Return a new connection through the pooler, for its caller to close."""
    own = connections.create_connection(DEFAULT_DB_ALIAS)
    own.settings_dict = _pooled(own.settings_dict)
    return own


def shares_sessions(parameters: dict[str, Any]) -> bool:
    """Return whether a pooler in transaction mode is at this address.

    ``parameters``: of a connection, as Django has them. Two clients are given the same session there, or one of them
    different ones. Without a pooler, or with one in session mode, each has its own.
    """
    ours = {**parameters, "autocommit": True, "prepare_threshold": None}
    with psycopg.connect(**ours) as one:
        first = _session(one)
        if first == one.info.backend_pid:  # as the server itself names it: there is no pooler
            return False
        with psycopg.connect(**ours) as other:
            for _ in range(ROUNDS):
                mine = _session(one)
                with other.transaction():
                    if mine != first or mine == _session(other):
                        return True
    return False


def _session(opened: "psycopg.Connection[Any]") -> int:
    row = opened.execute("SELECT pg_backend_pid()").fetchone()
    return int(row[0]) if row else 0
