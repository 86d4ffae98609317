"""Serve the types of endpoints, with their settings."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.tenancy import TenantScoped, tenant_id_of
from subscriptions.endpoints.destinations.registry import list_kinds
from subscriptions.models import Endpoint
from webhooks.kit.kinds.setting_serializer import SettingSerializer
from webhooks.kit.rest.serializers import StrictSerializer


class EndpointSettingSerializer(SettingSerializer):
    """A setting of a type of endpoints: a member of `settings` or of `credentials`."""


class EndpointTypeSerializer(StrictSerializer):
    """A type of endpoints: where deliveries go."""

    name = serializers.CharField(help_text="Value of `type` of an endpoint.")
    label = serializers.CharField(help_text="Name of the other system.")  # type: ignore[assignment]
    description = serializers.CharField(help_text="What an event becomes there, and the delivery guarantee.")
    installed = serializers.BooleanField(source="is_installed", help_text="Whether its library is installed.")
    extra = serializers.CharField(
        help_text="Extra of the installation that brings its library: `pip install waypost[kafka]`; empty: none."
    )
    missing = serializers.ListField(child=serializers.CharField(), help_text="Python modules that are not installed.")
    settings = EndpointSettingSerializer(many=True, help_text="Its settings and credentials; empty for `http`.")


class EndpointTypeListSerializer(StrictSerializer):
    """All types of endpoints."""

    data = EndpointTypeSerializer(many=True, help_text="Types; `http` is the first.")  # type: ignore[assignment]


class EndpointTypes(TenantScoped[Endpoint]):
    """All types of endpoints."""

    operations = {
        "get": (
            "List types of endpoints",
            "Returns the systems that deliveries can be written to, with the settings and credentials of each, and "
            "`http`, which is called by its URL.",
        ),
    }

    queryset = Endpoint.objects.none()
    serializer_class: type[serializers.Serializer[Any]] = EndpointTypeListSerializer

    @extend_schema(operation_id="list_endpoint_types", responses=EndpointTypeListSerializer)
    def get(self, request: Request) -> Response:
        tenant_id_of(request)  # raises NotFound for another tenant's name
        return Response(EndpointTypeListSerializer({"data": list_kinds()}).data)
