"""Serve the secrets of a source: list, rotate, revoke."""

from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from webhooks.api.serializers.secrets import (
    SourceSecretCreateSerializer,
    SourceSecretSerializer,
    SourceSecretWithValueSerializer,
)
from webhooks.api.serializers.source_checks import configuration_errors
from webhooks.api.tenancy import TenantScoped, sources_of
from webhooks.kit.encryption import decrypt
from webhooks.kit.rest.lookup import require
from webhooks.kit.rest.resources import NO_STORE, ListView
from webhooks.models import Source, SourceSecret
from webhooks.sources.secret_rotation import active_secrets, revoke_secret, rotate_secret


class SecretsOfSource(TenantScoped[SourceSecret]):
    """A view over the secrets of one source that are accepted now."""

    queryset = SourceSecret.objects.all()
    serializer_class = SourceSecretSerializer

    @property
    def source(self) -> Source:
        """Return the source in the path. Raises NotFound."""
        return require(sources_of(self.tenant_id()), self.kwargs["ref"], of_all_tenants=self.tenant_id() is None)

    def rows(self, tenant_id: UUID | None) -> QuerySet[SourceSecret]:
        return active_secrets(self.source)

    def secret(self) -> SourceSecret:
        """Return the secret in the path. Raises NotFound."""
        return require(self.get_queryset(), self.kwargs["id"])


@extend_schema_view(get=extend_schema(operation_id="list_source_secrets"))
class SourceSecrets(SecretsOfSource, ListView[SourceSecret]):
    """The active secrets of one source; creating one is the rotation."""

    operations = {
        "get": ("List a source's secrets", "Returns the secrets that are accepted at the moment, without their text."),
        "post": (
            "Rotate a source's secret",
            "Adds a secret. Older ones of its `name` are accepted for `overlap_seconds` more, so that the sender can "
            "change over without a rejected message; 0 ends them at once. The text is in this response only.",
        ),
    }

    @extend_schema(
        operation_id="create_source_secret",
        request=SourceSecretCreateSerializer,
        responses={201: SourceSecretWithValueSerializer},
    )
    def post(self, request: Request, ref: str) -> Response:
        source, fields = self.source, self.body(SourceSecretCreateSerializer)
        with configuration_errors():
            secret, text = rotate_secret(
                source, fields.get("secret"), name=fields["name"], overlap=fields["overlap_seconds"]
            )
        return Response(
            {**SourceSecretSerializer(secret).data, "secret": text}, status.HTTP_201_CREATED, headers=NO_STORE
        )


class SourceSecretDetail(SecretsOfSource):
    """One active secret of one source."""

    operations = {
        "get": ("Get a source's secret", "Returns one active secret, without its text."),
        "delete": (
            "End a source's secret",
            "Ends a secret at once, for example because it leaked; messages signed with it are rejected from then on.",
        ),
    }

    @extend_schema(operation_id="get_source_secret")
    def get(self, request: Request, ref: str, id: str) -> Response:
        return Response(SourceSecretSerializer(self.secret()).data)

    @extend_schema(operation_id="delete_source_secret", responses={204: None})
    def delete(self, request: Request, ref: str, id: str) -> Response:
        revoke_secret(self.secret())
        return Response(status=status.HTTP_204_NO_CONTENT)


class SourceSecretReveal(SecretsOfSource):
    """The text of a secret that the sender gave."""

    operations = {
        "post": (
            "Reveal a secret that the sender gave",
            "Returns a secret with its text, if the sender gave it in its handshake: some senders want it "
            "to be entered at their side. 404 for all other secrets, which are never shown again.",
        ),
    }
    reads_body = False

    serializer_class = SourceSecretWithValueSerializer

    @extend_schema(operation_id="reveal_source_secret", request=None, responses=SourceSecretWithValueSerializer)
    def post(self, request: Request, ref: str, id: str) -> Response:
        row = require(SourceSecret.objects.filter(source=self.source, is_received=True), id)
        shown = {**SourceSecretSerializer(row).data, "secret": decrypt(row.ciphertext)}
        return Response(shown, headers=NO_STORE)
