"""Find the tenant of a request: the key's own, or the one that a request with a platform key names.

The tenant is named in the header ``Waypost-Tenant`` or as ``?tenant=``, by id or uid. Without one, lists show the rows
of every tenant, no uid of a tenant's object is accepted, and nothing that belongs to a tenant can be created. A
tenant's key may name its own tenant; any other is not found (404), whether it exists or not.
"""

from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.authentication import EndpointKeyRefused, principal
from subscriptions.models import Endpoint, Tenant
from webhooks.kit.rest.lookup import find
from webhooks.kit.rest.resources import Resource
from webhooks.kit.rest.scoped_view import ScopedView
from webhooks.kit.rows import is_uid

HEADER = "Waypost-Tenant"
MISSING_TENANT = f"Name a tenant in the header {HEADER} or as ?tenant=."
M = TypeVar("M", bound=Model)


class UnknownTenant(NotFound):
    """404: a request with a platform key names a tenant that does not exist."""

    default_code = "unknown_tenant"

    def __init__(self, name: str) -> None:
        text = f"There is no tenant {name!r}."
        if is_uid(name):
            text = f"There is no tenant {name!r}; create it with PUT /api/v1/tenants/{name}/."
        super().__init__(text)


def tenant_id_of(request: Request) -> UUID | None:
    """Return the tenant of this request; None: all tenants, for platform keys.

    Raises NotFound if the request names another tenant than the key's own, or one that does not exist.
    """
    tenant = named_tenant_of(request) or principal(request).tenant
    return tenant.pk if tenant else None


def tenant_of(request: Request) -> Tenant:
    """Return the one tenant of this request. Raises ValidationError for ``tenant`` if there is none.

    The row may be a second old: do not read columns from it that change with every write (``routes_version``).
    """
    tenant = named_tenant_of(request) or principal(request).tenant
    if tenant is None:
        raise missing_tenant()
    return tenant


def missing_tenant() -> ValidationError:
    """Return the error for a request with a platform key that has to name a tenant and names none."""
    return ValidationError({"tenant": [MISSING_TENANT]}, code="required")


def tenant_name_of(request: Request) -> str | None:
    """Return the id or uid in the header or the query, if any. Raises ValidationError for two different ones."""
    names = {name for name in (request.headers.get(HEADER), request.query_params.get("tenant")) if name is not None}
    if len(names) > 1:
        raise ValidationError({"tenant": [f"The header {HEADER} and the query name different tenants."]})
    return names.pop() if names else None


def named_tenant_of(request: Request) -> Tenant | None:
    """Return the tenant that the header or the query names, None if they name none. Raises NotFound."""
    name = tenant_name_of(request)
    if name is None:
        return None
    rows = Tenant.objects.select_related("plan").filter(deleted_at=None)
    own = principal(request).tenant_id
    if own is not None:
        rows = rows.filter(pk=own)
    found = find(rows, name)
    if found is None:
        raise NotFound if own is not None else UnknownTenant(name)
    return found


def endpoints_of(request: Request) -> QuerySet[Endpoint]:
    """Return the endpoints that a request may name: those of its tenant, or the one that its key is limited to."""
    rows, tenant_id = Endpoint.objects.filter(deleted_at=None), tenant_id_of(request)
    return limited_to_endpoint(request, rows if tenant_id is None else rows.filter(tenant=tenant_id), "pk")


def limited_to_endpoint(request: Request, rows: QuerySet[M], path: str) -> QuerySet[M]:
    """Return those rows that belong to the endpoint of the request's key, if it is limited to one."""
    endpoint_id = principal(request).endpoint_id
    return rows if endpoint_id is None else rows.filter(**{path: endpoint_id})


class TenantScoped(ScopedView[M]):
    """A view over rows that belong to the request's tenant."""

    def tenant_id(self) -> UUID | None:
        return tenant_id_of(self.request)

    def limited(self, rows: QuerySet[M]) -> QuerySet[M]:
        return rows if self.endpoint_path is None else limited_to_endpoint(self.request, rows, self.endpoint_path)


class OwnedResource(TenantScoped[M], Resource[M]):
    """A resource whose rows belong to one tenant each; to create one, a platform key names the tenant."""

    tenant: Tenant
    is_below_endpoint: ClassVar[bool] = False
    """Whether a new row belongs to an endpoint that exists, so that keys which are limited to it may create one."""

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.begin_creation(request)
        return super().create(request, *args, **kwargs)

    def create_by_put(self, request: Request) -> Response:
        self.begin_creation(request)
        return super().create_by_put(request)

    def begin_creation(self, request: Request) -> None:
        """Find the tenant of a new row. Raises ValidationError for ``tenant``, and EndpointKeyRefused."""
        self.tenant = tenant_of(request)
        if principal(request).endpoint_id is not None and not self.is_below_endpoint:
            raise EndpointKeyRefused
