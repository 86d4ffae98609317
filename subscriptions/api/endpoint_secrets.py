"""Serve the signing secrets of an endpoint, and the public keys to verify its deliveries with."""

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.serializers.endpoint_secrets import (
    KeySetSerializer,
    SecretRotationResultSerializer,
    SecretRotationSerializer,
    SigningSecretSerializer,
)
from subscriptions.api.tenancy import TenantScoped
from subscriptions.endpoints.signing_secrets import active_secrets, public_jwks, rotate_secret
from subscriptions.models import Endpoint, SigningSecret
from webhooks.kit.rest.lookup import require
from webhooks.kit.rest.resources import NO_STORE, ListView


def endpoint_of(view: TenantScoped[SigningSecret]) -> Endpoint:
    """Return the endpoint of the path, within the request's tenant. Raises NotFound."""
    rows, tenant_id = Endpoint.objects.filter(deleted_at=None), view.tenant_id()
    return require(rows if tenant_id is None else rows.filter(tenant=tenant_id), view.kwargs["ref"])


@extend_schema_view(get=extend_schema(operation_id="list_secrets"))
class EndpointSecrets(TenantScoped[SigningSecret], ListView[SigningSecret]):
    """Signing secrets of an endpoint; creating one rotates the secret."""

    operations = {
        "get": (
            "List an endpoint's signing secrets",
            "Returns the secrets that sign at the moment, without their text. During a rotation there are "
            "several, and every delivery carries a signature of each.",
        ),
        "post": (
            "Rotate an endpoint's signing secret",
            "Creates a new signing secret. The old one signs beside it for `overlap_seconds`, so that the "
            "receiver can change over without rejecting a webhook. The text is in this response only.",
        ),
    }

    queryset = SigningSecret.objects.all()
    serializer_class = SigningSecretSerializer

    def rows(self, tenant_id: UUID | None) -> QuerySet[SigningSecret]:
        return active_secrets(endpoint_of(self))

    @extend_schema(
        operation_id="rotate_secret",
        request=SecretRotationSerializer,
        responses={201: SecretRotationResultSerializer},
    )
    def post(self, request: Request, ref: str) -> Response:
        endpoint = endpoint_of(self)
        text = rotate_secret(endpoint, **self.body(SecretRotationSerializer))
        return Response(shown_once(text), status.HTTP_201_CREATED, headers=NO_STORE)


class EndpointPublicKeys(TenantScoped[SigningSecret]):
    """Public keys that verify the deliveries of an endpoint, if key pairs sign them (v1a)."""

    operations = {
        "get": (
            "Get an endpoint's public keys",
            "Returns the Ed25519 keys that verify the `v1a` signatures of this endpoint, as a JSON Web Key "
            "Set (RFC 7517). Empty if it signs with a shared secret.",
        ),
    }

    queryset = SigningSecret.objects.all()
    serializer_class = SigningSecretSerializer

    @extend_schema(operation_id="get_endpoint_keys", responses={200: KeySetSerializer})
    def get(self, request: Request, ref: str) -> Response:
        return Response({"keys": public_jwks(active_secrets(endpoint_of(self)))})


def shown_once(text: str) -> dict[str, str]:
    """Return what a receiver verifies with, under its field: ``public_key`` or ``secret``."""
    return {"public_key" if text.startswith("whpk_") else "secret": text}
