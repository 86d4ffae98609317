"""Serve the known senders, whose presets a source can be created with."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from webhooks.api.serializers.senders import SenderListSerializer
from webhooks.api.tenancy import BelowSource
from webhooks.senders.presets import all_senders


class Senders(BelowSource):
    """All known senders."""

    operations = {
        "get": (
            "List known senders",
            "Returns the senders that Waypost knows, with the settings that a source has which is created with the "
            "sender's name: signature scheme, handshake, paths and response.",
        ),
    }

    serializer_class = SenderListSerializer

    @extend_schema(operation_id="list_senders", responses=SenderListSerializer)
    def get(self, request: Request) -> Response:
        self.tenant_id()  # raises NotFound for another tenant's name
        return Response(SenderListSerializer({"data": all_senders()}).data)
