"""Serve tenants: operators manage them; a tenant reads itself."""

from typing import Any

from rest_framework.response import Response

from subscriptions.api.authentication import OperatorWrites
from subscriptions.api.serializers.tenants import TenantSerializer
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Tenant
from subscriptions.tenants import tenants
from webhooks.kit.rest.resources import Resource


class Tenants(TenantScoped[Tenant], Resource[Tenant]):
    """Operators keep tenants; a tenant sees itself."""

    operations = {
        "list": (
            "List tenants",
            "Returns the tenants an operator manages, newest first. A tenant's own key sees that tenant only.",
        ),
        "create": (
            "Create a tenant",
            "Creates a tenant: one of your customers, with its own endpoints, events and keys. Operators "
            "only. Give `uid` your own id of the customer; it is accepted wherever the tenant's id is.",
        ),
        "retrieve": ("Get a tenant", "Returns one tenant, by id or `uid`."),
        "update": (
            "Replace a tenant",
            "Sets every field of a tenant; a field that is left out gets its default. Operators only.",
        ),
        "partial_update": (
            "Update a tenant",
            "Changes the fields that are given and keeps the others. Operators only.",
        ),
        "destroy": (
            "Delete a tenant",
            "Deletes a tenant: its keys stop working, its endpoints stop receiving, its pending deliveries and "
            "received messages become dead letters, its sources respond as deleted ones, its replays are "
            "cancelled. Operators only. Cannot be undone.",
        ),
    }

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
