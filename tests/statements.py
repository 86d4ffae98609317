"""Watch the statements that are sent to the database, by psycopg's cursors and as prepared statements."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from webhooks.kit.postgresql.prepared_statements import PreparedStatements


def before_statements(monkeypatch: pytest.MonkeyPatch, call: Callable[[Any], None]) -> None:
    """Call ``call`` with each statement before it is sent; what it raises is raised instead."""

    def watched(execute: Callable[..., Any]) -> Callable[..., Any]:
        def call_first(self: Any, statement: Any, *args: Any, **options: Any) -> Any:
            call(statement)
            return execute(self, statement, *args, **options)

        return call_first

    for kind in (psycopg.Cursor, PreparedStatements):
        monkeypatch.setattr(kind, "execute", watched(kind.execute))
