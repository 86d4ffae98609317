"""Serve the kinds of sources, with their settings."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from webhooks.api.serializers.source_reading import SourceKindListSerializer
from webhooks.api.tenancy import BelowSource
from webhooks.sources.kinds.registry import list_kinds


class SourceKinds(BelowSource):
    """All kinds of sources."""

    operations = {
        "get": (
            "List kinds of sources",
            "Returns the systems that sources can read, with the settings and credentials of each, and `http`, whose "
            "messages are posted by senders.",
        ),
    }

    serializer_class = SourceKindListSerializer

    @extend_schema(operation_id="list_source_kinds", responses=SourceKindListSerializer)
    def get(self, request: Request) -> Response:
        self.tenant_id()  # raises NotFound for another tenant's name
        return Response(SourceKindListSerializer({"data": list_kinds()}).data)
