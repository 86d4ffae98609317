"""Run code as the operation of someone: every row that it writes is recorded under that name.

The database learns of the operation by the setting ``waypost.audit`` of a transaction, which the triggers of the audit
read (``webhooks/migrations/audit.sql``). It is set before each statement that writes, since a rollback undoes it, and
never for the session, which a pooler may share with other clients.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from webhooks.wire.ids import new_id

SETTING = "waypost.audit"
READS = re.compile(r"\s*(SELECT|SHOW|SAVEPOINT|RELEASE|ROLLBACK|SET|FETCH|CLOSE|DECLARE|EXPLAIN)\b", re.IGNORECASE)


@dataclass(slots=True)
class Operation:
    """Describe who does what, from where. ``tenant_id`` and the object are those of rows that name none."""

    origin: str
    """Where it began: ``api``, ``admin``, ``command`` or ``job``."""
    name: str
    """Name of the route, the command or the task."""
    actor_type: str = "anonymous"
    actor_id: str = ""
    actor_name: str = ""
    actor_tenant_id: UUID | None = None
    tenant_id: UUID | None = None
    address: str = ""
    request_id: str = ""
    object_type: str = ""
    object_key: str = ""
    object_name: str = ""
    id: UUID = field(default_factory=new_id)
    is_audited: bool = True
    """False: it changes nothing that has entries, such as a preview, or publishes."""
    note: str = ""
    """The action in words, as the page shows it. Entries that triggers write for such rows have it too."""
    changed: int | None = None
    """How many objects it has changed, and ``unchanged``: left as they were; None: it does not say."""
    unchanged: int = 0

    def about(self, row: Any) -> None:
        """Name the row that the operation is about."""
        self.object_type, self.object_key = row._meta.model_name, str(row.pk)
        names = (getattr(row, it, "") for it in ("name", "uid", "username"))
        self.object_name = str(next(filter(None, names), ""))[:256]
        own = row.pk if row._meta.model_name == "tenant" else getattr(row, "tenant_id", None)
        self.tenant_id = own or self.tenant_id

    def about_none(self) -> None:
        """Name no row: the operation is about several."""
        self.object_type = self.object_key = self.object_name = ""

    def as_json(self) -> str:
        """Return the operation as the triggers read it."""
        return json.dumps(asdict(self), default=lambda it: it and str(it))


def begin(row: Any, note: str) -> None:
    """Tell the audit which row the current operation changes next, and what is done to it."""
    if (operation := current_operation()) is not None:
        operation.about(row)
        operation.note = note


def report(note: str, changed: int, unchanged: int = 0) -> None:
    """Tell the audit what the current operation has done to how many rows, and how many it has left as they were.

    The last entry of the operation says it, unless a single row was changed, which has an entry of its own.
    """
    if (operation := current_operation()) is not None:
        operation.note, operation.changed, operation.unchanged = note, changed, unchanged


def name_caller(operation: Operation, caller: Any) -> None:
    """Name the caller of the REST API (``request.auth``) as the one who does it."""
    operation.actor_type = str(getattr(caller, "actor_type", "key"))
    operation.actor_id, operation.actor_name = str(getattr(caller, "key_id", "")), str(getattr(caller, "label", ""))
    operation.tenant_id = operation.actor_tenant_id = getattr(caller, "tenant_id", None)


_current: ContextVar[Operation | None] = ContextVar("operation", default=None)


def current_operation() -> Operation | None:
    """Return the operation that runs in this thread, if any."""
    return _current.get()


@contextmanager
def running(operation: Operation) -> Iterator[Operation]:
    """Run the block as this operation. An operation within another is part of it."""
    if (outer := _current.get()) is not None:
        yield outer
        return
    token = _current.set(operation)
    try:
        with connection.execute_wrapper(_announce_writes):
            yield operation
    finally:
        _current.reset(token)
        if connection.in_atomic_block and not connection.needs_rollback:
            _set("")


@contextmanager
def announced() -> Iterator[None]:
    """Run one statement that may write, and tell the database whose operation it is."""
    operation = _current.get()
    if operation is None or not operation.is_audited or connection.needs_rollback:
        yield
        return
    if connection.in_atomic_block:
        _set(operation.as_json())
        yield
        return
    with transaction.atomic():
        _set(operation.as_json())
        yield


def _announce_writes(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    if isinstance(sql, str) and READS.match(sql):
        return execute(sql, params, many, context)
    with announced():
        return execute(sql, params, many, context)


def _set(text: str) -> None:
    connection.ensure_connection()
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [SETTING, text])
