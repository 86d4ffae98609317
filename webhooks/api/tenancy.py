"""Find the tenant of a request: the key's own; for an operator's key all tenants, or the one that the request names.

The receiver knows tenants by id only. An operator names one in the header ``Waypost-Tenant`` or as ``?tenant=``.
"""

from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model
from rest_framework.exceptions import NotFound
from rest_framework.request import Request

from webhooks.kit.rest.resources import ScopedView
from webhooks.models import Source
from webhooks.wire.ids import parse

HEADER = "Waypost-Tenant"
M = TypeVar("M", bound=Model)


def tenant_id_of(request: Request) -> UUID | None:
    """Return the tenant of this request; None: all. Raises NotFound for another tenant than the key's own."""
    key: Any = request.auth
    own: UUID | None = key.tenant_id
    name = request.headers.get(HEADER) or request.query_params.get("tenant")
    if not name:
        return own
    try:
        named = parse("tnt", name)
    except ValueError as error:
        raise NotFound from error
    if own is not None and own != named:
        raise NotFound
    return named


class TenantScoped(ScopedView[M]):
    """A view over rows that belong to a source of the request's tenant."""

    tenant_path = "source__tenant_id"

    def tenant_id(self) -> UUID | None:
        return tenant_id_of(self.request)


class BelowSource(TenantScoped[Source]):
    """A view below one source, which ``get_object`` returns."""

    tenant_path = "tenant_id"
    queryset = Source.objects.filter(deleted_at=None)
