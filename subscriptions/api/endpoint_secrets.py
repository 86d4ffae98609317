"""Serve the signing secrets of an endpoint, and the public keys that verify its deliveries."""

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.serializers.endpoint_secrets import (
    JsonWebKeySetSerializer,
    SigningSecretCreateSerializer,
    SigningSecretSerializer,
    SigningSecretWithValueSerializer,
)
from subscriptions.api.tenancy import TenantScoped, endpoints_of
from subscriptions.endpoints.signing_secrets import active_secrets, end_secret, public_jwks, rotate_secret
from subscriptions.models import Endpoint, SigningSecret
from webhooks.kit.rest.lookup import require
from webhooks.kit.rest.resources import NO_STORE, ListView


class BelowEndpoint(TenantScoped[SigningSecret]):
    """A view over the secrets of one endpoint that sign now."""

    queryset = SigningSecret.objects.all()
    serializer_class = SigningSecretSerializer
    endpoint_path = "endpoint_id"

    @property
    def endpoint(self) -> Endpoint:
        """Return the endpoint in the path, restricted to the request's tenant if it has one. Raises NotFound."""
        return require(endpoints_of(self.request), self.kwargs["ref"], of_all_tenants=self.tenant_id() is None)

    def rows(self, tenant_id: UUID | None) -> QuerySet[SigningSecret]:
        return active_secrets(self.endpoint)


@extend_schema_view(get=extend_schema(operation_id="list_endpoint_secrets"))
class EndpointSecrets(BelowEndpoint, ListView[SigningSecret]):
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
            "so that the receiver can switch to the new one without rejecting a webhook; 0 ends the old one at once. "
            "Only this response contains the text of the secret.",
        ),
    }

    @extend_schema(
        operation_id="create_endpoint_secret",
        request=SigningSecretCreateSerializer,
        responses={201: SigningSecretWithValueSerializer},
    )
    def post(self, request: Request, ref: str) -> Response:
        secret, text = rotate_secret(self.endpoint, **self.body(SigningSecretCreateSerializer))
        shown = {**SigningSecretSerializer(secret).data, **new_secret_field(text)}
        return Response(shown, status.HTTP_201_CREATED, headers=NO_STORE)


class EndpointSecretDetail(BelowEndpoint):
    """One active signing secret of an endpoint."""

    operations = {
        "get": ("Get an endpoint's signing secret", "Returns one active signing secret, without its text."),
        "delete": (
            "End an endpoint's signing secret",
            "Ends an older secret at once, before its overlap is over, for example because it leaked. 409 for the "
            "current secret, which signs alone: create another first.",
        ),
    }

    def secret(self) -> SigningSecret:
        """Return the secret in the path. Raises NotFound."""
        return require(self.get_queryset().select_related("endpoint"), self.kwargs["id"])

    @extend_schema(operation_id="get_endpoint_secret")
    def get(self, request: Request, ref: str, id: str) -> Response:
        return Response(SigningSecretSerializer(self.secret()).data)

    @extend_schema(operation_id="delete_endpoint_secret", responses={204: None})
    def delete(self, request: Request, ref: str, id: str) -> Response:
        end_secret(self.secret())
        return Response(status=status.HTTP_204_NO_CONTENT)


class EndpointPublicKeys(BelowEndpoint):
    """Return the public keys that verify the deliveries of an endpoint, if they are signed with key pairs (v1a)."""

    operations = {
        "get": (
            "Get an endpoint's public keys",
            "Returns the Ed25519 keys that verify the `v1a` signatures of this endpoint, as a JSON Web Key "
            "Set (RFC 7517). The set is empty if deliveries to the endpoint are signed with a shared secret.",
        ),
    }

    @extend_schema(operation_id="get_endpoint_keys", responses={200: JsonWebKeySetSerializer})
    def get(self, request: Request, ref: str) -> Response:
        return Response({"keys": public_jwks(active_secrets(self.endpoint))})


def new_secret_field(text: str) -> dict[str, str]:
    """Return the response field for the text of a new secret: ``public_key`` for a key pair, else ``secret``."""
    return {"public_key" if text.startswith("whpk_") else "secret": text}
