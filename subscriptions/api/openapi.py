"""Describe for OpenAPI the bearer key, and calls of the main operations beside the recorded examples."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view

from subscriptions.api.serializers.endpoints import (
    EndpointCreateSerializer,
    EndpointSerializer,
    EndpointWithSecretSerializer,
)
from subscriptions.api.serializers.subscriptions import SubscriptionSerializer


class BearerKey(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describe the bearer key that every operation below /api/v1/ requires."""

    target_class = "subscriptions.api.authentication.ApiKeyAuthentication"
    name = "bearerAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "wp_...",
            "description": "An API key, of a tenant or of the platform. Its scopes: `publish` (events), `read`, "
            "`manage` (every change; it does not include reading).",
        }


endpoints = extend_schema_view(
    create=extend_schema(
        request=EndpointCreateSerializer,
        responses={201: EndpointWithSecretSerializer},
        examples=[
            OpenApiExample("An endpoint", {"url": "https://example.com/webhooks", "uid": "main"}, request_only=True),
            OpenApiExample(
                "Signed with a key pair", {"url": "https://example.com/webhooks", "signing": "v1a"}, request_only=True
            ),
        ],
    ),
    update=extend_schema(
        request=EndpointCreateSerializer, responses={200: EndpointSerializer, 201: EndpointWithSecretSerializer}
    ),
    partial_update=extend_schema(
        examples=[
            OpenApiExample("Pause", {"state": "paused"}, request_only=True),
            OpenApiExample("Resume", {"state": "active"}, request_only=True),
        ]
    ),
)
subscriptions = extend_schema_view(
    update=extend_schema(responses={200: SubscriptionSerializer, 201: SubscriptionSerializer}),
    create=extend_schema(
        examples=[
            OpenApiExample(
                "Large orders",
                {
                    "endpoint": "ep_01m83t2ghzevcannga6my0tf3k",
                    "event_types": ["order.*"],
                    "pattern": {"data": {"total": [{"numeric": [">", 100]}]}},
                },
                request_only=True,
            ),
            OpenApiExample(
                "Transformed body",
                {
                    "endpoint": "main",
                    "event_types": ["order.paid"],
                    "transformer": {
                        "input_paths": {"number": "$.data.number"},
                        "template": '{"text": "Order <number> is paid"}',
                    },
                },
                request_only=True,
            ),
            OpenApiExample(
                "Body by a JSONata expression",
                {
                    "endpoint": "main",
                    "event_types": ["order.placed"],
                    "transformer": {"jsonata": '{"number": data.number, "total": $sum(data.lines.(price * quantity))}'},
                },
                request_only=True,
            ),
        ]
    ),
)
