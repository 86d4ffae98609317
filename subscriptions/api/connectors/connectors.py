"""Serve connectors, and create endpoints from them."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.connectors.serializers import (
    ConnectorEndpointSerializer,
    ConnectorListSerializer,
    ConnectorSerializer,
)
from subscriptions.api.endpoint_secrets import new_secret_field
from subscriptions.api.serializers.endpoints import EndpointSerializer, EndpointWithSecretSerializer
from subscriptions.api.tenancy import OwnedResource, TenantScoped, tenant_id_of
from subscriptions.connectors.catalogue import find_connector, list_connectors
from subscriptions.connectors.connector import Connector
from subscriptions.connectors.endpoints import create_from_connector
from subscriptions.models import Endpoint


def connector_of(name: str) -> Connector:
    """Return a connector by name. Raises NotFound."""
    found = find_connector(name)
    if found is None:
        raise NotFound
    return found


class Connectors(TenantScoped[Endpoint]):
    """All connectors."""

    operations = {
        "get": (
            "List connectors",
            "Returns the systems for which ready settings exist, such as Slack or PagerDuty. Each has a form; from "
            "it an endpoint is created that sends events as the other system's API accepts them.",
        ),
    }

    queryset = Endpoint.objects.none()
    serializer_class: type[serializers.Serializer[Any]] = ConnectorListSerializer

    @extend_schema(operation_id="list_connectors", responses=ConnectorListSerializer)
    def get(self, request: Request) -> Response:
        tenant_id_of(request)  # raises NotFound for another tenant's name
        return Response(ConnectorListSerializer({"data": list_connectors()}).data)


class ConnectorDetail(TenantScoped[Endpoint]):
    """One connector."""

    operations = {
        "get": ("Get a connector", "Returns one connector with the fields of its form, its messages and a sample."),
    }

    queryset = Endpoint.objects.none()
    serializer_class: type[serializers.Serializer[Any]] = ConnectorSerializer

    @extend_schema(operation_id="get_connector", responses=ConnectorSerializer)
    def get(self, request: Request, ref: str) -> Response:
        tenant_id_of(request)  # raises NotFound for another tenant's name
        return Response(ConnectorSerializer(connector_of(ref)).data)


class ConnectorEndpoints(OwnedResource[Endpoint]):
    """Create endpoints from a connector."""

    operations = {
        "create": (
            "Create an endpoint from a connector",
            "Fills the settings into the connector's request and creates an endpoint with the subscriptions that send "
            "its messages. The endpoint is like any other: it can be read, changed and deleted with `/endpoints/`, its "
            "subscriptions with `/subscriptions/`.",
        ),
    }

    queryset = Endpoint.objects.select_related("tenant", "http", "destination").filter(deleted_at=None)
    serializer_class = EndpointSerializer
    create_serializer_class = ConnectorEndpointSerializer
    http_method_names = ("post", "options")

    @extend_schema(
        operation_id="create_connector_endpoint",
        request=ConnectorEndpointSerializer,
        responses={201: EndpointWithSecretSerializer},
        examples=[
            OpenApiExample(
                "Orders to Discord",
                {
                    "settings": {
                        "url": "https://discord.com/api/webhooks/1234/abcdef",
                        "message": "Order <$.data.number>: <$.data.total> <$.data.currency>",
                    },
                    "subscriptions": [{"event_types": ["order.*"]}],
                },
                request_only=True,
            )
        ],
    )
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.connector = connector_of(kwargs["ref"])
        return super().create(request, *args, **kwargs)

    def create_row(self, fields: dict[str, Any]) -> Response:
        row, secret = create_from_connector(self.tenant, self.connector, **fields)
        response = self.created(row, **new_secret_field(secret))
        path = reverse("endpoint-detail", kwargs={"ref": row.public_id})
        response["Location"] = self.request.build_absolute_uri(path)
        return response
