"""Serve event types as documents of other standards: import from OpenAPI, export to OpenAPI and AsyncAPI."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.authentication import principal
from subscriptions.api.event_types.event_types import owner_of, visible_types
from subscriptions.api.event_types.rendering import ExactJsonRenderer
from subscriptions.api.event_types.serializers import EventTypeImportReportSerializer, EventTypeImportSerializer
from subscriptions.api.tenancy import TenantScoped
from subscriptions.event_types.exporting import as_asyncapi, as_openapi
from subscriptions.event_types.importing import import_openapi
from subscriptions.event_types.models import EventType


class EventTypeImport(TenantScoped[EventType]):
    """Import event types from the webhooks of an OpenAPI document."""

    has_large_body = True  # read by subscriptions.api.conventions.errors
    keeps_numbers = True  # likewise
    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "post": (
            "Import event types",
            "Creates or updates event types from the `webhooks` of an OpenAPI 3.1 document. With `dry_run` it "
            "only reports what would change. Nothing is changed if any part is invalid.",
        ),
    }

    queryset = EventType.objects.all()
    serializer_class = EventTypeImportSerializer

    @extend_schema(operation_id="import_event_types", responses={200: EventTypeImportReportSerializer})
    def post(self, request: Request) -> Response:
        owner = owner_of(request)
        report = import_openapi(owner, **self.body(), by_operator=principal(request).is_platform)
        return Response(EventTypeImportReportSerializer(report).data)


class EventTypeExport(TenantScoped[EventType]):
    """Export the types that are not archived as a document of another standard."""

    queryset = EventType.objects.all()
    renderer_classes = (ExactJsonRenderer,)

    def types(self) -> list[EventType]:
        """Return one type of each name: the tenant's own before the deployment's."""
        tenant_id = self.tenant_id()
        rows = visible_types(tenant_id).filter(archived=False).order_by("name", "tenant_id")
        rows = rows.filter(tenant=None) if tenant_id is None else rows
        by_name: dict[str, EventType] = {}
        for row in rows:
            if row.name not in by_name or row.tenant_id is not None:
                by_name[row.name] = row
        return list(by_name.values())


class OpenApiExport(EventTypeExport):
    """Export event types as the webhooks of an OpenAPI 3.1 document."""

    expensive = ("GET",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "get": (
            "Export event types as OpenAPI",
            "Returns the event types as the `webhooks` of an OpenAPI 3.1 document, for code generators.",
        ),
    }

    @extend_schema(operation_id="export_event_types_as_openapi", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request) -> Response:
        return Response(as_openapi(self.types()))


class AsyncApiExport(EventTypeExport):
    """Export event types as an AsyncAPI 3.0 document."""

    expensive = ("GET",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {"get": ("Export event types as AsyncAPI", "Returns the event types as an AsyncAPI 3.0 document.")}

    @extend_schema(operation_id="export_event_types_as_asyncapi", responses={200: OpenApiTypes.OBJECT})
    def get(self, request: Request) -> Response:
        return Response(as_asyncapi(self.types()))
