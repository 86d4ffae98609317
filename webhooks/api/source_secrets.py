"""Serve the secrets of a source: list, rotate, revoke."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from webhooks.api.serializers.secrets import (
    SourceSecretCreateSerializer,
    SourceSecretSerializer,
    SourceSecretWithValueSerializer,
)
from webhooks.api.serializers.sources import configuration_errors
from webhooks.api.tenancy import BelowSource
from webhooks.kit.encryption import decrypt
from webhooks.kit.rest.lookup import require
from webhooks.kit.rest.resources import NO_STORE
from webhooks.models import SourceSecret
from webhooks.sources.secret_rotation import active_secrets, revoke_secret, rotate_secret


class SourceSecrets(BelowSource):
    """The active secrets of one source; creating one is the rotation."""

    operations = {
        "get": ("List a source's secrets", "Returns the secrets that are accepted at the moment, without their text."),
        "post": (
            "Rotate a source's secret",
            "Adds a secret. Older ones of its `name` are accepted for `overlap_seconds` more, so that the sender can "
            "change "
            "over without a rejected message. The text is in this response only.",
        ),
    }

    serializer_class = SourceSecretCreateSerializer

    @extend_schema(responses=SourceSecretSerializer(many=True))
    def get(self, request: Request, ref: str) -> Response:
        return Response(SourceSecretSerializer(active_secrets(self.get_object()).order_by("-id"), many=True).data)

    @extend_schema(request=SourceSecretCreateSerializer, responses={201: SourceSecretWithValueSerializer})
    def post(self, request: Request, ref: str) -> Response:
        source, fields = self.get_object(), self.body()
        with configuration_errors():
            secret, text = rotate_secret(
                source, fields.get("secret"), name=fields["name"], overlap=fields["overlap_seconds"]
            )
        return Response(
            {**SourceSecretSerializer(secret).data, "secret": text}, status.HTTP_201_CREATED, headers=NO_STORE
        )


class SourceSecretDetail(BelowSource):
    """One secret of one source."""

    operations = {
        "delete": (
            "Revoke a source's secret",
            "Revokes a secret at once; messages signed with it are rejected from then on.",
        ),
    }

    serializer_class: type[Serializer[Any]] = SourceSecretSerializer

    @extend_schema(responses={204: None})
    def delete(self, request: Request, ref: str, secret: str) -> Response:
        revoke_secret(require(SourceSecret.objects.filter(source=self.get_object()), secret))
        return Response(status=status.HTTP_204_NO_CONTENT)


class SourceSecretReveal(BelowSource):
    """The text of a secret that the sender gave."""

    operations = {
        "post": (
            "Reveal a secret that the sender gave",
            "Returns a secret with its text, if the sender gave it in its handshake: some senders want it "
            "to be entered at their side. 404 for all other secrets, which are never shown again.",
        ),
    }

    serializer_class: type[Serializer[Any]] = SourceSecretWithValueSerializer

    @extend_schema(request=None, responses=SourceSecretWithValueSerializer)
    def post(self, request: Request, ref: str, secret: str) -> Response:
        row = require(SourceSecret.objects.filter(source=self.get_object(), is_received=True), secret)
        shown = {**SourceSecretSerializer(row).data, "secret": decrypt(row.ciphertext)}
        return Response(shown, headers=NO_STORE)
