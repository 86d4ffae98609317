"""Describe the management API for OpenAPI: operation ids, the bearer key, examples of the main calls."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view

from subscriptions.api.serializers.endpoint_secrets import (
    KeySetSerializer,
    SecretRotationResultSerializer,
    SecretRotationSerializer,
)
from subscriptions.api.serializers.endpoints import EndpointCreateSerializer, EndpointWithSecretSerializer
from subscriptions.api.serializers.keys import KeyRotationSerializer, KeyWithSecretSerializer

REF = OpenApiParameter("ref", OpenApiTypes.STR, OpenApiParameter.PATH, description="Its id or its uid.")
ENDPOINT_ID, KEY_ID = "ep_01m83t2ghzevcannga6my0tf3k", "key_01m83t2ghzevcannga6my0tf3k"


class BearerKey(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describe the bearer key that every operation below /api/v1/ requires."""

    target_class = "subscriptions.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "wp_...",
            "description": "An API key. Its scopes: `publish` (events), `read`, `manage` (everything else).",
        }


def crud(one: str, **details: Any) -> Any:
    """Return the operation ids of a resource; ``details`` are arguments of ``extend_schema`` by action."""
    ids = {
        "list": f"list_{one}s",
        "create": f"create_{one}",
        "retrieve": f"get_{one}",
        "update": f"replace_{one}",
        "partial_update": f"change_{one}",
        "destroy": f"delete_{one}",
    }
    paths = {action: [] if action in {"list", "create"} else [REF] for action in ids}
    return {
        action: extend_schema(operation_id=name, parameters=paths[action], **details.get(action, {}))
        for action, name in ids.items()
    }


tenants = extend_schema_view(
    **crud(
        "tenant",
        create={"examples": [OpenApiExample("A customer", {"name": "Acme", "uid": "customer-42"}, request_only=True)]},
    )
)

plans = extend_schema_view(
    **crud(
        "plan",
        create={
            "examples": [
                OpenApiExample(
                    "A small plan",
                    {"name": "Starter", "uid": "starter", "events_per_month": 100_000, "publish_rate": 50},
                    request_only=True,
                )
            ]
        },
    )
)

keys = extend_schema_view(
    **crud(
        "key",
        create={
            "responses": {201: KeyWithSecretSerializer},
            "examples": [
                OpenApiExample(
                    "For a backend that publishes", {"name": "billing", "scopes": ["publish"]}, request_only=True
                )
            ],
        },
    )
)

key_rotations = extend_schema_view(
    post=extend_schema(
        operation_id="rotate_key",
        parameters=[REF],
        request=KeyRotationSerializer,
        responses={201: KeyWithSecretSerializer},
    )
)

endpoints = extend_schema_view(
    **crud(
        "endpoint",
        create={
            "request": EndpointCreateSerializer,
            "responses": {201: EndpointWithSecretSerializer},
            "examples": [
                OpenApiExample(
                    "An endpoint", {"url": "https://example.com/webhooks", "uid": "main"}, request_only=True
                ),
                OpenApiExample(
                    "Signed with a key pair",
                    {"url": "https://example.com/webhooks", "signing": "v1a"},
                    request_only=True,
                ),
            ],
        },
        partial_update={
            "examples": [
                OpenApiExample("Pause", {"state": "paused"}, request_only=True),
                OpenApiExample("Resume", {"state": "active"}, request_only=True),
            ]
        },
    )
)

secrets = extend_schema_view(
    get=extend_schema(operation_id="list_secrets", parameters=[REF]),
    post=extend_schema(
        operation_id="rotate_secret",
        parameters=[REF],
        request=SecretRotationSerializer,
        responses={201: SecretRotationResultSerializer},
        examples=[OpenApiExample("Both sign for an hour", {"overlap_seconds": 3600}, request_only=True)],
    ),
)

public_keys = extend_schema_view(
    get=extend_schema(operation_id="get_endpoint_keys", parameters=[REF], responses={200: KeySetSerializer})
)

subscriptions = extend_schema_view(
    **crud(
        "subscription",
        create={
            "examples": [
                OpenApiExample(
                    "Large orders",
                    {
                        "endpoint": ENDPOINT_ID,
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
            ]
        },
    )
)
