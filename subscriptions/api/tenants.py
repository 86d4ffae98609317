"""Serve tenants: operators manage them; a tenant reads itself."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.response import Response

from subscriptions.api.authentication import PlatformWrites
from subscriptions.api.serializers.tenants import TenantCreatedSerializer, TenantSerializer
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Tenant
from subscriptions.tenants import tenants
from webhooks.kit.rest.list_filters import ConfiguredFilters, contains
from webhooks.kit.rest.query_params import TextFilter
from webhooks.kit.rest.resources import Resource


class TenantFilters(ConfiguredFilters):
    """Filter tenants."""

    q = TextFilter(
        where=contains("uid", "name"),
        unindexed=True,
        min_length=2,
        max_length=256,
        help_text="Text in the `uid` or name, ignoring case.",
    )


@extend_schema_view(
    create=extend_schema(responses={201: TenantCreatedSerializer}),
    update=extend_schema(responses={200: TenantSerializer, 201: TenantCreatedSerializer}),
)
class Tenants(TenantScoped[Tenant], Resource[Tenant]):
    """Operators keep tenants; a tenant sees itself."""

    operations = {
        "list": (
            "List tenants",
            "Returns the tenants an operator manages, newest first. Filter by `uid`, labels, text or time. A tenant's "
            "own key sees that tenant only.",
        ),
        "create": (
            "Create a tenant",
            "Creates a tenant: one of your customers, with its own endpoints, events and keys. Operators "
            "only. Give `uid` your own id of the customer; it is accepted wherever the tenant's id is. Names need not "
            "be unique: the same request again creates another tenant, and `warnings` names the one that has the name "
            "already. With a `uid` it is a 409, and with *Replace a tenant* nothing is created twice.",
        ),
        "retrieve": ("Get a tenant", "Returns one tenant, by id or `uid`."),
        "update": (
            "Replace a tenant",
            "Sets every field of a tenant; a field that is left out gets its default. A `uid` in the path that no "
            "tenant has creates the tenant (201): call it for each of your customers, as often as you like. "
            "Platform keys only.",
        ),
        "partial_update": (
            "Update a tenant",
            "Changes the fields that are given and keeps the others. Platform keys only.",
        ),
        "destroy": (
            "Delete a tenant",
            "Deletes a tenant: its keys stop working, its endpoints stop receiving, its pending deliveries and "
            "received messages become dead letters, its sources respond as deleted ones, its replays are "
            "cancelled. Platform keys only. Cannot be undone.",
        ),
    }

    queryset = Tenant.objects.select_related("plan").filter(deleted_at=None)
    serializer_class = TenantSerializer
    permission_classes = (PlatformWrites,)
    creates_by_put = True
    query_params = TenantFilters
    tenant_path = "pk"

    def create_row(self, fields: dict[str, Any]) -> Response:
        created = tenants.create_tenant(**fields)
        return self.created(created, warnings=tenants.name_warnings(created))

    def change_row(self, row: Tenant, fields: dict[str, Any]) -> Tenant:
        return tenants.change_tenant(row, fields)

    def delete_row(self, row: Tenant) -> None:
        tenants.delete_tenant(row)
