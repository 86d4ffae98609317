"""Find the tenant of a request: the key's own, or the one that an operator names.

An operator names a tenant in the header ``Waypost-Tenant`` or as ``?tenant=``, by id or uid. Without one, lists show
the rows of every tenant, and nothing that belongs to a tenant can be created. A tenant's key may name its own tenant;
any other is not found (404), whether it exists or not.
"""

from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.authentication import principal
from subscriptions.models import Tenant
from webhooks.kit.rest.lookup import find
from webhooks.kit.rest.resources import Resource, ScopedView

HEADER = "Waypost-Tenant"
M = TypeVar("M", bound=Model)


def tenant_id_of(request: Request) -> UUID | None:
    """Return the tenant of this request; None: all tenants, for operators.

    Raises NotFound if the request names another tenant than the key's own, or one that does not exist.
    """
    tenant = _named(request) or principal(request).tenant
    return tenant.pk if tenant else None


def tenant_of(request: Request) -> Tenant:
    """Return the one tenant of this request. Raises ValidationError for ``tenant`` if an operator named none.

    The row may be a second old: do not read columns from it that change with every write (``routes_version``).
    """
    tenant = _named(request) or principal(request).tenant
    if tenant is None:
        raise missing_tenant()
    return tenant


def missing_tenant() -> ValidationError:
    """Return the error for an operator who names no tenant where one is needed."""
    return ValidationError({"tenant": [f"Name a tenant in the header {HEADER} or as ?tenant=."]}, code="required")


def _named(request: Request) -> Tenant | None:
    """Return the tenant that the header or the query names, if any."""
    names = {name for name in (request.headers.get(HEADER), request.query_params.get("tenant")) if name is not None}
    if len(names) > 1:
        raise ValidationError({"tenant": [f"The header {HEADER} and the query name different tenants."]})
    if not names:
        return None
    rows = Tenant.objects.select_related("plan").filter(deleted_at=None)
    own = principal(request).tenant_id
    if own is not None:
        rows = rows.filter(pk=own)
    found = find(rows, names.pop())
    if found is None:
        raise NotFound
    return found


class TenantScoped(ScopedView[M]):
    """A view over rows that belong to the request's tenant."""

    def tenant_id(self) -> UUID | None:
        return tenant_id_of(self.request)


class OwnedResource(TenantScoped[M], Resource[M]):
    """A resource whose rows belong to one tenant each; to create one, an operator names the tenant."""

    tenant: Tenant

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.tenant = tenant_of(request)
        return super().create(request, *args, **kwargs)
