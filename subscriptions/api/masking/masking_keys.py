"""Serve the keys that decrypt what masks have encrypted, to those who may manage what is masked."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.authentication import principal
from subscriptions.api.tenancy import TenantScoped, endpoints_of, tenant_of
from subscriptions.masking.keys import DecryptionKey, decryption_key, endpoint_keys, tenant_keys
from subscriptions.models import Endpoint, Scope
from webhooks.kit.rest.lookup import require
from webhooks.kit.rest.resources import NO_STORE


class MaskingKeySerializer(serializers.Serializer[DecryptionKey]):
    """A key that decrypts values which masks have encrypted."""

    key_id = serializers.CharField(help_text="The `kid` in the header of the values that it decrypts.")
    key = serializers.CharField(help_text="The key: 32 bytes for A256GCM, in base64url without padding.")


class MaskingKeysSerializer(serializers.Serializer[Any]):
    """The keys of a tenant for values that event types encrypt."""

    data = MaskingKeySerializer(  # type: ignore[assignment]  # the stubs have an option of this name
        many=True, help_text="The key of the tenant's own event types, and with a platform key that of the platform's."
    )


class MaskingKeys(TenantScoped[Endpoint]):
    """The keys of a tenant for values that event types encrypt."""

    operations = {
        "get": (
            "Get the masking keys",
            "Returns the keys that decrypt the values which event types `encrypt`: that of the tenant's own types, and "
            "to a platform key that of the platform's types too. A key never changes.",
        ),
    }

    queryset = Endpoint.objects.all()
    required_scopes = {"GET": Scope.MANAGE}

    @extend_schema(operation_id="get_masking_keys", responses={200: MaskingKeysSerializer})
    def get(self, request: Request) -> Response:
        tenant_id, is_platform = tenant_of(request).pk, principal(request).is_platform
        kinds = (False, True) if is_platform else (False,)
        keys = [decryption_key(tenant_keys(tenant_id, of_platform=it)) for it in kinds]
        return Response(MaskingKeysSerializer({"data": keys}).data, headers=NO_STORE)


class EndpointMaskingKey(TenantScoped[Endpoint]):
    """The key of an endpoint for values that its masks encrypt."""

    operations = {
        "get": (
            "Get an endpoint's masking key",
            "Returns the key that decrypts the values which the endpoint's own masks `encrypt`. Each endpoint has "
            "another one, so that it can be given to its receiver. It never changes.",
        ),
    }

    queryset = Endpoint.objects.all()
    endpoint_path = "pk"
    required_scopes = {"GET": Scope.MANAGE}

    @extend_schema(operation_id="get_endpoint_masking_key", responses={200: MaskingKeySerializer})
    def get(self, request: Request, ref: str) -> Response:
        endpoint = require(endpoints_of(request), ref, of_all_tenants=self.tenant_id() is None)
        key = decryption_key(endpoint_keys(endpoint.tenant_id, endpoint.pk))
        return Response(MaskingKeySerializer(key).data, headers=NO_STORE)
