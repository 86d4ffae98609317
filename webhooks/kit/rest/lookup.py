"""Look up a row by the id or uid that a client gave."""

from contextlib import suppress
from typing import TypeVar

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ValidationError

from webhooks.kit.rows import KeyedRow, is_uid
from webhooks.wire.ids import parse

M = TypeVar("M", bound=KeyedRow)


def find(rows: QuerySet[M], ref: str) -> M | None:
    """Return the row with this id or, where the table has one, this uid; None if there is none.

    Raises ValidationError for the field ``tenant`` if several tenants use the uid (an operator's request).
    """
    with suppress(ValueError):
        return rows.filter(pk=parse(rows.model.prefix, ref)).first()
    if not hasattr(rows.model, "uid") or not is_uid(ref):
        return None
    found = rows.filter(uid=ref)[:2]
    if len(found) > 1:
        raise ValidationError({"tenant": ["Several tenants use this uid; name the tenant."]})
    return found[0] if found else None


def require(rows: QuerySet[M], ref: str) -> M:
    """Return the row with this id or uid. Raises NotFound, also for rows outside the scope."""
    found = find(rows, ref)
    if found is None:
        raise NotFound
    return found
