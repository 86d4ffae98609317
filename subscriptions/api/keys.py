"""Serve API keys: create, revoke and rotate; a key is never changed."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.authentication import PlatformKeyRequired, principal
from subscriptions.api.serializers.keys import (
    ApiKeyCreateSerializer,
    ApiKeyRotationSerializer,
    ApiKeySerializer,
    ApiKeyWithSecretSerializer,
)
from subscriptions.api.tenancy import OwnedResource, TenantScoped
from subscriptions.models import ApiKey
from subscriptions.tenants import keys
from webhooks.kit.rest.resources import NO_STORE


@extend_schema_view(create=extend_schema(request=ApiKeyCreateSerializer, responses={201: ApiKeyWithSecretSerializer}))
class Keys(OwnedResource[ApiKey]):
    """Keys are created, revoked and rotated, not changed. A key grants only scopes that it has itself."""

    operations = {
        "list": (
            "List API keys",
            "Returns the tenant's API keys without their text: name, role, scopes, prefix, expiry and last use.",
        ),
        "create": (
            "Create an API key",
            "Creates an API key. Its text is in this response and nowhere else: store it now. Scopes: "
            "`publish` (publish events), `read` (all reads), `manage` (every change; it does not include reading), "
            "`consume` (pull and acknowledge messages). A `role` limits the key to what users of the admin with this "
            "role may do, and hides payloads from a `viewer`. "
            "A key can be limited to one `endpoint` and to a time (`expires_in`), for a page of your customer; a "
            "platform key (`platform`) acts for every tenant.",
        ),
        "retrieve": ("Get an API key", "Returns one API key without its text."),
        "destroy": ("Revoke an API key", "Revokes a key at once; requests with it get 401 from then on."),
    }

    queryset = ApiKey.objects.select_related("tenant", "endpoint").filter(tenant__deleted_at=None)
    serializer_class = ApiKeySerializer
    create_serializer_class = ApiKeyCreateSerializer
    http_method_names = ("get", "post", "delete", "head", "options")

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Create a key of the request's tenant, or a platform key, which belongs to none."""
        if isinstance(request.data, dict) and request.data.get("platform") is True:
            return self.create_platform_key(self.body(ApiKeyCreateSerializer))
        return super().create(request, *args, **kwargs)

    def create_platform_key(self, fields: dict[str, Any]) -> Response:
        """Create a platform key. Raises PlatformKeyRequired; ValidationError for a tenant or an endpoint."""
        if not principal(self.request).is_platform:
            raise PlatformKeyRequired
        if self.tenant_id() is not None:
            raise ValidationError({"platform": ["A platform key belongs to no tenant; name none."]})
        if fields.get("endpoint") is not None:
            raise ValidationError({"endpoint": ["A platform key cannot be limited to an endpoint."]})
        return self.create_row(fields)

    def create_row(self, fields: dict[str, Any]) -> Response:
        check_scopes(self.request, keys.scopes_of(fields.get("role"), fields["scopes"]))
        tenant = None if fields.pop("platform") else self.tenant
        key, text = keys.create_key(tenant, **fields)
        return self.created(key, key=text)

    def delete_row(self, row: ApiKey) -> None:
        keys.revoke_key(row)


class KeyRotation(TenantScoped[ApiKey]):
    """A new key that replaces an old one, which stays valid for an overlap."""

    operations = {
        "post": (
            "Rotate an API key",
            "Creates a new key with the same name, role and scopes. The old key goes on working for "
            "`overlap_seconds`, so that you can deploy the new one without a gap. The new text is in this "
            "response only.",
        ),
    }

    queryset = Keys.queryset
    serializer_class = ApiKeyRotationSerializer

    @extend_schema(
        operation_id="rotate_key", request=ApiKeyRotationSerializer, responses={201: ApiKeyWithSecretSerializer}
    )
    def post(self, request: Request, ref: str) -> Response:
        old = self.get_object()
        check_scopes(request, old.scopes)
        key, text = keys.rotate_key(old, **self.body())
        body = {**ApiKeySerializer(key).data, "key": text}
        location = request.build_absolute_uri(reverse("key-detail", args=[key.public_id]))
        return Response(body, status.HTTP_201_CREATED, headers={**NO_STORE, "Location": location})


def check_scopes(request: Request, scopes: list[str]) -> None:
    """Raise PermissionDenied unless the key of the request has all these scopes itself."""
    if not principal(request).scopes.issuperset(scopes):
        raise PermissionDenied("A key can hand out only scopes that it holds itself.")
