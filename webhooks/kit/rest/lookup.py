"""Look up a row by the id or uid that a client gave, and tell what an id names, whatever the type of the object."""

from contextlib import suppress
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from django.apps import apps
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


@cache
def models_by_prefix() -> dict[str, type[KeyedRow]]:
    """Return the models whose rows have public ids, by the prefix of these."""
    return {it.prefix: it for it in apps.get_models() if issubclass(it, KeyedRow) and it.prefix}


def object_of(public_id: str) -> tuple[type[KeyedRow], UUID] | None:
    """Return the model and the key that an id names, whether or not there is such a row; None if it is no id."""
    prefix = public_id.rpartition("_")[0]
    model = models_by_prefix().get(prefix)
    try:
        return None if model is None else (model, parse(prefix, public_id))
    except ValueError:
        return None


def exists(public_id: str, tenant_id: UUID | None) -> bool:
    """Return whether an object of the tenant has this id, deleted or not; None: of any tenant, or of none.

    Objects that belong to a tenant only through another object, such as secrets, are not found for a tenant.
    """
    named = object_of(public_id)
    if named is None:
        return False
    model, key = named
    rows: Any = model._base_manager.filter(pk=key)
    if tenant_id is not None:
        names = {it.attname for it in model._meta.concrete_fields}
        owner = "pk" if model._meta.model_name == "tenant" else "tenant_id"
        rows = rows.filter(**{owner: tenant_id}) if owner == "pk" or owner in names else rows.none()
    return bool(rows.exists())
