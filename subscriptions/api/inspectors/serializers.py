"""Serialize request inspectors and the requests that they received."""

import base64

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from subscriptions.inspectors.inspectors import DEFAULT_LIFETIME, MAX_LIFETIME, page_url_of, url_of
from subscriptions.inspectors.shown_requests import text_of
from subscriptions.models import Endpoint, InspectedRequest, Inspector, Tenant
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import IntegerField
from webhooks.kit.rest.serializers import StrictModelSerializer


class InspectorSerializer(StrictModelSerializer):
    """An address that responds to every request and keeps it."""

    id = IdField(Inspector.prefix, read_only=True)
    tenant = IdField(Tenant.prefix, source="tenant_id", read_only=True, help_text="Id of the tenant it belongs to.")
    url = serializers.SerializerMethodField(
        help_text="Address that keeps every request: the `url` of an endpoint, or of anything else that sends requests."
    )
    page_url = serializers.SerializerMethodField(
        help_text="Page for a browser that shows the requests while they arrive. It needs no API key: anyone who has "
        "this address can read them."
    )

    class Meta:
        model = Inspector
        fields = [
            *("id", "tenant", "name", "url", "page_url", "response_status", "response_delay_ms"),
            *("expires_at", "created_at"),
        ]
        read_only_fields = ["expires_at", "created_at"]

    @extend_schema_field(serializers.CharField())
    def get_url(self, inspector: Inspector) -> str:
        return url_of(inspector)

    @extend_schema_field(serializers.CharField())
    def get_page_url(self, inspector: Inspector) -> str:
        return page_url_of(inspector)


class InspectorCreateSerializer(InspectorSerializer):
    """A new request inspector."""

    expires_in = IntegerField(
        default=DEFAULT_LIFETIME,
        min_value=60,
        max_value=MAX_LIFETIME,
        write_only=True,
        help_text="Seconds until the inspector and its requests are deleted. Default: 86,400 (one day); at most 7 "
        "days.",
    )

    class Meta(InspectorSerializer.Meta):
        fields = [*InspectorSerializer.Meta.fields, "expires_in"]


class InspectedRequestSerializer(serializers.ModelSerializer[InspectedRequest]):
    """A request that an inspector received."""

    id = IdField(InspectedRequest.prefix)
    headers = serializers.DictField(
        child=serializers.CharField(),
        help_text="Headers by name in lower case. Values that may hold credentials are `[removed]`.",
    )
    body = serializers.SerializerMethodField(
        help_text="Body as text, its first 65,536 bytes; null: it is not UTF-8 (see `body_base64`)."
    )
    body_base64 = serializers.SerializerMethodField(help_text="Body in Base64, if it is not UTF-8; else null.")
    endpoint = IdField(
        Endpoint.prefix,
        source="endpoint_id",
        allow_null=True,
        help_text="Id of the endpoint whose secret signed it; null: none.",
    )

    class Meta:
        model = InspectedRequest
        fields = [
            *("id", "received_at", "method", "path", "headers", "body", "body_base64", "body_bytes"),
            *("response_status", "is_verified", "verification", "endpoint"),
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_body(self, request: InspectedRequest) -> str | None:
        return text_of(request)

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_body_base64(self, request: InspectedRequest) -> str | None:
        return None if text_of(request) is not None else base64.b64encode(bytes(request.body)).decode()
