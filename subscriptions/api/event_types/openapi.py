"""How the doors of event types are described."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view

from subscriptions.api.event_types.serializers import EventTypeImportReportSerializer, EventTypeImportSerializer
from subscriptions.api.openapi import REF, crud

EXAMPLE = {
    "name": "order.paid",
    "description": "An order was paid in full.",
    "group": "Orders",
    "schema_check": "enforce",
    "schema": {
        "type": "object",
        "properties": {"total": {"type": "number", "minimum": 0, "description": "In the order's currency."}},
        "required": ["total"],
    },
    "examples": [{"total": 42}],
}
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "webhooks": {
        "order.paid": {
            "post": {
                "description": "An order was paid in full.",
                "requestBody": {"content": {"application/json": {"schema": EXAMPLE["schema"]}}},
            }
        }
    },
}

event_types = extend_schema_view(
    **crud(
        "event_type",
        create={"examples": [OpenApiExample("A type with a schema", EXAMPLE, request_only=True)]},
        partial_update={"examples": [OpenApiExample("Deprecate", {"deprecated": True}, request_only=True)]},
    )
)
versions = extend_schema_view(get=extend_schema(operation_id="list_event_type_versions", parameters=[REF]))
imports = extend_schema_view(
    post=extend_schema(
        operation_id="import_event_types",
        request=EventTypeImportSerializer,
        responses={200: EventTypeImportReportSerializer},
        examples=[OpenApiExample("Preview", {"document": DOCUMENT, "dry_run": True}, request_only=True)],
    )
)
openapi_export = extend_schema_view(
    get=extend_schema(operation_id="export_event_types_as_openapi", responses={200: OpenApiTypes.OBJECT})
)
asyncapi_export = extend_schema_view(
    get=extend_schema(operation_id="export_event_types_as_asyncapi", responses={200: OpenApiTypes.OBJECT})
)
