"""Look up a row by the id or uid that a client gave."""

from contextlib import suppress
from typing import Any, TypeVar

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ValidationError

from webhooks.kit.rows import KeyedRow, is_uid
from webhooks.wire.ids import parse

M = TypeVar("M", bound=KeyedRow)


UID_NEEDS_TENANT = "A uid is unique within a tenant only. Name the tenant in Waypost-Tenant or ?tenant=, or give an id."


def find(rows: QuerySet[M], ref: str, *, of_all_tenants: bool = False) -> M | None:
    """Return the row with this id or, where the table has one, this uid; None if there is none.

    ``of_all_tenants``: the rows are those of all tenants, because the request names none. A uid then names only a row
    that no tenant owns: it might name the object of another tenant than the caller means. Raises ValidationError for
    the field ``tenant`` if there is no such row.
    """
    with suppress(ValueError):
        return rows.filter(pk=parse(rows.model.prefix, ref)).first()
    if not hasattr(rows.model, "uid") or not is_uid(ref):
        return None
    column: Any = rows.model._meta.get_field("uid")
    if not of_all_tenants or column.unique:
        return rows.filter(uid=ref).first()
    found = rows.filter(uid=ref, tenant_id=None).first()
    if found is None:
        raise ValidationError({"tenant": [UID_NEEDS_TENANT]}, code="required")
    return found


def require(rows: QuerySet[M], ref: str, *, of_all_tenants: bool = False) -> M:
    """Return the row with this id or uid, as ``find``. Raises NotFound, also for rows outside the scope."""
    found = find(rows, ref, of_all_tenants=of_all_tenants)
    if found is None:
        raise NotFound
    return found
