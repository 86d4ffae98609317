"""Serialize the requests of deliveries, and attempts with theirs."""

import base64
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from delivery.api.serializers.deliveries import AttemptSerializer
from delivery.models import Attempt
from delivery.reading.requests.sent_request import CHOICES, SentRequest, sent_request


class SentRequestSerializer(serializers.Serializer[SentRequest]):
    """A request to an endpoint: as it was sent, or as it would be sent now."""

    method = serializers.CharField(help_text="HTTP method.")
    url = serializers.CharField(
        allow_null=True, help_text="URL that was called; null: the endpoint's URL was changed since."
    )
    headers = serializers.DictField(
        child=serializers.CharField(),
        allow_null=True,
        help_text="Request headers by name. Values that may hold credentials, such as those of the endpoint's own "
        "headers, are `***`. Left out is what a change in `changed` has made unknown.",
    )
    body = serializers.SerializerMethodField(
        help_text="Request body as text; null: it is not UTF-8 (see `body_base64`), the content mode was changed, or "
        "the endpoint receives events unmasked."
    )
    body_base64 = serializers.SerializerMethodField(help_text="Request body in Base64, if it is not UTF-8; else null.")
    signed_at = serializers.IntegerField(
        help_text="Unix seconds that the signature covers, as sent in `webhook-timestamp`."
    )
    changed = serializers.ListField(
        child=serializers.ChoiceField(choices=CHOICES),
        help_text="What was changed at the endpoint since, so that it is not known how it was sent: `url`, "
        "`credentials` (headers, authentication or TLS), `content_mode`, `secrets` (the signature), `settings`. "
        "Changes up to 5 seconds before the attempt are named too. `unmasked` is no change: the body is not shown, "
        "since only the endpoint is cleared for it. Empty: the request is shown exactly as it was sent.",
    )

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_body(self, request: SentRequest) -> str | None:
        return _text(request.body)

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_body_base64(self, request: SentRequest) -> str | None:
        if request.body is None or _text(request.body) is not None:
            return None
        return base64.b64encode(request.body).decode()


class AttemptDetailSerializer(AttemptSerializer):
    """One attempt to deliver, with the request that was sent."""

    request = serializers.SerializerMethodField(
        help_text="The request; null: nothing was sent (see `error`), or the event's payload was erased."
    )
    curl = serializers.SerializerMethodField(
        help_text="A curl command that sends the same bytes; credentials are `***`, and a signature for AWS is made by "
        "curl. Null without `request`, or if `request.changed` is not empty."
    )

    class Meta(AttemptSerializer.Meta):
        fields = [*AttemptSerializer.Meta.fields, "request", "curl"]
        read_only_fields = fields

    def to_representation(self, instance: Attempt) -> dict[str, Any]:
        self._request = sent_request(instance.delivery, instance)
        return super().to_representation(instance)

    @extend_schema_field(SentRequestSerializer(allow_null=True))
    def get_request(self, _attempt: Attempt) -> dict[str, Any] | None:
        return None if self._request is None else dict(SentRequestSerializer(self._request).data)

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_curl(self, _attempt: Attempt) -> str | None:
        return None if self._request is None else self._request.curl


def _text(body: bytes | None) -> str | None:
    try:
        return None if body is None else body.decode()
    except UnicodeDecodeError:
        return None
