"""Serve tenants: operators manage them; a tenant reads itself."""

from typing import Any

from rest_framework.response import Response

from subscriptions.api import openapi
from subscriptions.api.authentication import OperatorWrites
from subscriptions.api.serializers.tenants import TenantSerializer
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Tenant
from subscriptions.tenants import tenants
from webhooks.kit.rest.resources import Resource

__all__ = ["Tenants"]


@openapi.tenants
class Tenants(TenantScoped[Tenant], Resource[Tenant]):
    """Operators keep tenants; a tenant sees itself."""

    queryset = Tenant.objects.select_related("plan").filter(deleted_at=None)
    serializer_class = TenantSerializer
    permission_classes = (OperatorWrites,)
    tenant_path = "pk"

    def create_row(self, fields: dict[str, Any]) -> Response:
        return self.created(tenants.create_tenant(**fields))

    def change_row(self, row: Tenant, fields: dict[str, Any]) -> Tenant:
        return tenants.change_tenant(row, fields)

    def delete_row(self, row: Tenant) -> None:
        tenants.delete_tenant(row)
