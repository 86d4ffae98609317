"""Serve the signing secrets of an endpoint, and the public keys that verify its deliveries."""

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.serializers.endpoint_secrets import (
    JsonWebKeySetSerializer,
    SigningSecretRotationResultSerializer,
    SigningSecretRotationSerializer,
    SigningSecretSerializer,
)
from subscriptions.api.tenancy import TenantScoped, endpoints_of
from subscriptions.endpoints.signing_secrets import active_secrets, public_jwks, rotate_secret
from subscriptions.models import Endpoint, SigningSecret
from webhooks.kit.rest.lookup import require
from webhooks.kit.rest.resources import NO_STORE, ListView


def endpoint_of(view: TenantScoped[SigningSecret]) -> Endpoint:
    """Return the endpoint in the path, restricted to the request's tenant if it has one. Raises NotFound."""
    return require(endpoints_of(view.request), view.kwargs["ref"], of_all_tenants=view.tenant_id() is None)


@extend_schema_view(get=extend_schema(operation_id="list_secrets"))
class EndpointSecrets(TenantScoped[SigningSecret], ListView[SigningSecret]):
    """List the active signing secrets of an endpoint; rotate the secret by creating a new one."""

    operations = {
        "get": (
            "List an endpoint's signing secrets",
            "Returns the active signing secrets, without their text. During a rotation several are active, and "
            "every delivery has one signature for each of them.",
        ),
        "post": (
            "Rotate an endpoint's signing secret",
            "Creates a new signing secret. For `overlap_seconds`, deliveries are signed with the old secret too, "
            "so that the receiver can switch to the new one without rejecting a webhook. Only this response "
            "contains the text of the secret.",
        ),
    }

    queryset = SigningSecret.objects.all()
    serializer_class = SigningSecretSerializer
    endpoint_path = "endpoint_id"

    def rows(self, tenant_id: UUID | None) -> QuerySet[SigningSecret]:
        return active_secrets(endpoint_of(self))

    @extend_schema(
        operation_id="rotate_secret",
        request=SigningSecretRotationSerializer,
        responses={201: SigningSecretRotationResultSerializer},
    )
    def post(self, request: Request, ref: str) -> Response:
        endpoint = endpoint_of(self)
        text = rotate_secret(endpoint, **self.body(SigningSecretRotationSerializer))
        return Response(new_secret_field(text), status.HTTP_201_CREATED, headers=NO_STORE)


class EndpointPublicKeys(TenantScoped[SigningSecret]):
    """Return the public keys that verify the deliveries of an endpoint, if they are signed with key pairs (v1a)."""

    operations = {
        "get": (
            "Get an endpoint's public keys",
            "Returns the Ed25519 keys that verify the `v1a` signatures of this endpoint, as a JSON Web Key "
            "Set (RFC 7517). The set is empty if deliveries to the endpoint are signed with a shared secret.",
        ),
    }

    queryset = SigningSecret.objects.all()
    serializer_class = SigningSecretSerializer
    endpoint_path = "endpoint_id"

    @extend_schema(operation_id="get_endpoint_keys", responses={200: JsonWebKeySetSerializer})
    def get(self, request: Request, ref: str) -> Response:
        return Response({"keys": public_jwks(active_secrets(endpoint_of(self)))})


def new_secret_field(text: str) -> dict[str, str]:
    """Return the response field for the text of a new secret: ``public_key`` for a key pair, else ``secret``."""
    return {"public_key" if text.startswith("whpk_") else "secret": text}
