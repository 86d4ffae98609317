"""Serve the keys that decrypt what masks have encrypted, to those who may manage what is masked, and rotate them."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.authentication import principal
from subscriptions.api.tenancy import TenantScoped, endpoints_of, tenant_of
from subscriptions.errors import Invalid
from subscriptions.masking.keys import DecryptionKey, decryption_keys, endpoint_key_name, rotate_key, tenant_key_name
from subscriptions.models import Endpoint, Scope
from webhooks.kit.rest.fields.scalars import BooleanField
from webhooks.kit.rest.lookup import require
from webhooks.kit.rest.resources import NO_STORE
from webhooks.kit.rest.serializers import StrictSerializer

OF_PLATFORM = "Must be false; only a platform key rotates the key of the platform's event types."
ROTATED = (
    "What is published from then on is encrypted by it, within a second. Older keys stay, to read what they have "
    "encrypted, and hashes stay the same."
)


class MaskingKeySerializer(serializers.Serializer[DecryptionKey]):
    """A key that decrypts values which masks have encrypted."""

    key_id = serializers.CharField(help_text="The `kid` in the header of the values that it decrypts.")
    key = serializers.CharField(help_text="The key: 32 bytes for A256GCM, in base64url without padding.")
    is_current = serializers.BooleanField(help_text="Whether values are encrypted by it now.")
    created_at = serializers.DateTimeField(
        allow_null=True, help_text="When a rotation has created it; null: it is the first key."
    )


class MaskingKeysSerializer(serializers.Serializer[Any]):
    """Keys for values that masks have encrypted."""

    data = MaskingKeySerializer(  # type: ignore[assignment]  # the stubs have an option of this name
        many=True,
        help_text="The current key, then older ones; for a platform key, then those of the platform's event types.",
    )


class MaskingKeyRotationSerializer(StrictSerializer):
    """Which key of a tenant is rotated."""

    of_platform = BooleanField(
        default=False, help_text="Rotate the key of the platform's event types in place of that of the tenant's own."
    )


class MaskingKeys(TenantScoped[Endpoint]):
    """The keys of a tenant for values that event types encrypt."""

    operations = {
        "get": (
            "Get the masking keys",
            "Returns the keys that decrypt the values which event types `encrypt`: those of the tenant's own types, "
            "and to a platform key those of the platform's types too.",
        ),
        "post": ("Rotate a masking key", f"Creates the next key of values that event types `encrypt`. {ROTATED}"),
    }

    queryset = Endpoint.objects.all()
    required_scopes = {"GET": Scope.MANAGE, "POST": Scope.MANAGE}
    required_permissions = {
        "GET": "subscriptions.change_maskingsecret",
        "POST": "subscriptions.change_maskingsecret",
    }

    @extend_schema(operation_id="get_masking_keys", responses={200: MaskingKeysSerializer})
    def get(self, request: Request) -> Response:
        tenant_id, is_platform = tenant_of(request).pk, principal(request).is_platform
        kinds = (False, True) if is_platform else (False,)
        keys = [key for it in kinds for key in decryption_keys(tenant_id, tenant_key_name(tenant_id, of_platform=it))]
        return Response(MaskingKeysSerializer({"data": keys}).data, headers=NO_STORE)

    @extend_schema(
        operation_id="rotate_masking_key", request=MaskingKeyRotationSerializer, responses={201: MaskingKeySerializer}
    )
    def post(self, request: Request) -> Response:
        tenant_id, of_platform = tenant_of(request).pk, self.body(MaskingKeyRotationSerializer)["of_platform"]
        if of_platform and not principal(request).is_platform:
            raise Invalid("of_platform", OF_PLATFORM)
        return _created(rotate_key(tenant_id, tenant_key_name(tenant_id, of_platform=of_platform)))


class EndpointMaskingKeys(TenantScoped[Endpoint]):
    """The keys of an endpoint for values that its masks encrypt."""

    operations = {
        "get": (
            "Get an endpoint's masking keys",
            "Returns the keys that decrypt the values which the endpoint's own masks `encrypt`. Each endpoint has "
            "others, so that they can be given to its receiver.",
        ),
        "post": (
            "Rotate an endpoint's masking key",
            f"Creates the next key of values that the endpoint's own masks `encrypt`. {ROTATED}",
        ),
    }

    queryset = Endpoint.objects.all()
    reads_body = False
    endpoint_path = "pk"
    required_scopes = {"GET": Scope.MANAGE, "POST": Scope.MANAGE}
    required_permissions = {
        "GET": "subscriptions.change_maskingsecret",
        "POST": "subscriptions.change_maskingsecret",
    }

    @extend_schema(operation_id="get_endpoint_masking_keys", responses={200: MaskingKeysSerializer})
    def get(self, request: Request, ref: str) -> Response:
        endpoint = self._endpoint(request, ref)
        keys = decryption_keys(endpoint.tenant_id, endpoint_key_name(endpoint.pk))
        return Response(MaskingKeysSerializer({"data": keys}).data, headers=NO_STORE)

    @extend_schema(operation_id="rotate_endpoint_masking_key", request=None, responses={201: MaskingKeySerializer})
    def post(self, request: Request, ref: str) -> Response:
        endpoint = self._endpoint(request, ref)
        return _created(rotate_key(endpoint.tenant_id, endpoint_key_name(endpoint.pk)))

    def _endpoint(self, request: Request, ref: str) -> Endpoint:
        found: Endpoint = require(endpoints_of(request), ref, of_all_tenants=self.tenant_id() is None)
        return found


def _created(key: DecryptionKey) -> Response:
    return Response(MaskingKeySerializer(key).data, status=status.HTTP_201_CREATED, headers=NO_STORE)
