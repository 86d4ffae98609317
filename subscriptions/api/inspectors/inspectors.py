"""Serve request inspectors: create, list, read, change and delete, and list their requests."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.response import Response

from subscriptions.api.inspectors.serializers import (
    InspectedRequestSerializer,
    InspectorCreateSerializer,
    InspectorSerializer,
)
from subscriptions.api.tenancy import OwnedResource, TenantScoped
from subscriptions.inspectors import inspectors
from subscriptions.models import InspectedRequest, Inspector
from webhooks.kit.rest.lookup import require
from webhooks.kit.rest.resources import ListView


def _live() -> QuerySet[Inspector]:
    return Inspector.objects.filter(tenant__deleted_at=None)


@extend_schema_view(create=extend_schema(request=InspectorCreateSerializer, responses={201: InspectorSerializer}))
class Inspectors(OwnedResource[Inspector]):
    """Addresses that respond to every request and keep it, to see what is sent."""

    operations = {
        "list": ("List request inspectors", "Returns the tenant's request inspectors, newest first."),
        "create": (
            "Create a request inspector",
            "Creates an address (`url`) that responds to every request and keeps the latest 100, and a page "
            "(`page_url`) that shows them in a browser while they arrive. Create an endpoint with this `url` to see "
            "what your customers receive, and whether the signature verifies; choose `response_status` and "
            "`response_delay_ms` to see retries and timeouts. A tenant may have 10 inspectors at a time.",
        ),
        "retrieve": ("Get a request inspector", "Returns one request inspector."),
        "partial_update": (
            "Update a request inspector",
            "Changes the name, or how the inspector responds from now on.",
        ),
        "destroy": (
            "Delete a request inspector",
            "Deletes the inspector and its requests. Requests to its address get 404 from then on.",
        ),
    }

    queryset = _live()
    hidden_fields = ("page_url",)
    serializer_class = InspectorSerializer
    create_serializer_class = InspectorCreateSerializer
    http_method_names = ("get", "post", "patch", "delete", "head", "options")

    def create_row(self, fields: dict[str, Any]) -> Response:
        return self.created(inspectors.create_inspector(self.tenant, **fields))

    def change_row(self, row: Inspector, fields: dict[str, Any]) -> Inspector:
        return inspectors.change_inspector(row, fields)

    def delete_row(self, row: Inspector) -> None:
        row.delete()


@extend_schema_view(get=extend_schema(operation_id="list_inspector_requests"))
class InspectorRequests(TenantScoped[InspectedRequest], ListView[InspectedRequest]):
    """The requests of one inspector, newest first."""

    operations = {
        "get": (
            "List the requests of an inspector",
            "Returns the latest 100 requests that the inspector received, newest first: method, path, headers, body, "
            "and whether the signature verifies. Values of headers that may hold credentials are `[removed]`.",
        ),
    }

    queryset = InspectedRequest.objects.all()
    required_permissions = {"GET": "subscriptions.view_payload"}
    payload_fields = ("id",)  # all of a request is
    serializer_class = InspectedRequestSerializer
    tenant_path = "inspector__tenant_id"

    def rows(self, tenant_id: Any) -> QuerySet[InspectedRequest]:
        owned = _live() if tenant_id is None else _live().filter(tenant=tenant_id)
        inspector = self.subject = require(owned, self.kwargs["ref"], of_all_tenants=tenant_id is None)
        return super().rows(tenant_id).filter(inspector=inspector)
