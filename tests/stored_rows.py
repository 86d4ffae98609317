"""Tell whether a request has changed rows: by a checksum of each table, or first by the writes of the transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import connection, transaction

OURS = ("subscriptions", "delivery", "webhooks")


def rows(tenant_id: UUID | None = None) -> dict[str, tuple[Any, ...]]:
    """Return number and checksum of the rows of each table; of API keys only of the ids, since uses are recorded.

    ``tenant_id``: only those of a tenant, in tables that have a column for it.
    """
    found = {}
    with connection.cursor() as cursor:
        for model in (it for app in OURS for it in apps.get_app_config(app).get_models()):
            table, columns = model._meta.db_table, {it.column for it in model._meta.concrete_fields}
            if tenant_id is not None and "tenant_id" not in columns:
                continue
            what = "id::text" if table == "subscriptions_apikey" else "t::text"
            where = "" if tenant_id is None else f" WHERE tenant_id = '{tenant_id}'"
            cursor.execute(f'SELECT count(*), sum(hashtext({what})) FROM "{table}" t{where}')
            found[table] = cursor.fetchone()
    return found


def writes() -> int:
    """Return how many rows the transaction of the test has written so far, those that were rolled back included."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_xact_user_tables")
        (written,) = cursor.fetchone() or (0,)
    return int(written)


@contextmanager
def undone() -> Iterator[None]:
    """Undo what is written within the block."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


class StoredRows:
    """The rows before a request, perhaps of one tenant; the checksums are compared only if something was written."""

    def __init__(self, tenant_id: UUID | None = None) -> None:
        self._tenant_id = tenant_id
        self._rows, self._writes = rows(tenant_id), writes()

    def changed(self) -> list[str]:
        """Return the tables whose rows are not those of the beginning."""
        now = writes()
        if now == self._writes:
            return []
        self._writes, found = now, rows(self._tenant_id)
        return [table for table, before in self._rows.items() if found[table] != before]
