"""Find the tenant of a request: the key's own; for a platform key all tenants, or the one that the request names.

An operator names a tenant in the header ``Waypost-Tenant`` or as ``?tenant=``, by id or uid. The receiver knows ids
only; the app that has the tenants finds a uid. A tenant's key may name its own tenant; any other is not found (404),
whether it exists or not.
"""

from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request

from webhooks.kit.rest.scoped_view import ScopedView
from webhooks.kit.tenancy import tenant_named
from webhooks.models import Source
from webhooks.wire.ids import parse

HEADER = "Waypost-Tenant"
M = TypeVar("M", bound=Model)


def tenant_id_of(request: Request) -> UUID | None:
    """Return the tenant of this request; None: all. Raises NotFound for another tenant than the key's own."""
    key: Any = request.auth
    own: UUID | None = key.tenant_id
    names = {name for name in (request.headers.get(HEADER), request.query_params.get("tenant")) if name is not None}
    if len(names) > 1:
        raise ValidationError({"tenant": [f"The header {HEADER} and the query name different tenants."]})
    if not names:
        return own
    named = _id_of(names.pop())
    if named is None or own not in (None, named):
        raise NotFound
    return named


def _id_of(name: str) -> UUID | None:
    """Return the id of the tenant with this id or uid; None if no app knows the uid."""
    try:
        return parse("tnt", name)
    except ValueError:
        ids: list[Any] = [found for _, found in tenant_named.send(None, uid=name)]
        return next((found for found in ids if found is not None), None)


class TenantScoped(ScopedView[M]):
    """A view over rows that belong to a source of the request's tenant."""

    tenant_path = "source__tenant_id"

    def tenant_id(self) -> UUID | None:
        return tenant_id_of(self.request)


def sources_of(tenant_id: UUID | None) -> QuerySet[Source]:
    """Return the sources of a tenant that are not deleted; None: of all."""
    rows = Source.objects.filter(deleted_at=None)
    return rows if tenant_id is None else rows.filter(tenant_id=tenant_id)


class BelowSource(TenantScoped[Source]):
    """A view below one source, which ``get_object`` returns."""

    tenant_path = "tenant_id"
    queryset = Source.objects.filter(deleted_at=None)
