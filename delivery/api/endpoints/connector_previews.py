"""Show the request that a connector would send."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.dry_runs import MAX_STEPS, TOO_COSTLY, EventOrId, RequestPreviewSerializer, event_of
from delivery.reading.requests.connector_preview import preview, sample_event
from subscriptions.api.connectors.connectors import connector_of
from subscriptions.api.connectors.serializers import SETTINGS_HELP, TRANSFORMER_HELP
from subscriptions.api.fields.routing import TransformerField
from subscriptions.api.tenancy import tenant_of
from subscriptions.models import Scope
from webhooks.kit.rest.fields.json_values import ObjectField
from webhooks.kit.rest.fields.scalars import TextField
from webhooks.kit.rest.serializers import StrictSerializer
from webhooks.kit.rest.strict_views import StrictView
from webhooks.wire.step_budget import BudgetExceeded, StepBudget


class ConnectorPreviewSerializer(StrictSerializer):
    """A connector's settings, and the event to show the request of."""

    settings = ObjectField(default=dict, help_text=SETTINGS_HELP)
    message = TextField(default="", allow_blank=True, max_length=64, help_text="Message to show. Default: the first.")
    transformer = TransformerField(required=False, allow_null=True, help_text=TRANSFORMER_HELP)
    event = EventOrId(
        required=False,
        help_text="An event as it would be published, or the id of a published one. Default: the connector's sample.",
    )


class ConnectorRequestSerializer(RequestPreviewSerializer):
    """The request that would be sent. Credentials are `***`, and the signature is missing."""

    method = serializers.CharField(help_text="HTTP method.")
    url = serializers.CharField(help_text="URL that is called.")
    transformation_error = serializers.CharField(
        allow_blank=True, help_text="Why this event cannot be written as the message; empty if it can."
    )


class ConnectorPreviews(StrictView):
    """Show the request of a connector. Nothing is stored, nothing is sent."""

    is_audited = False
    has_large_body = True  # read by subscriptions.api.conventions.errors
    keeps_numbers = True  # likewise
    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "post": (
            "Preview a connector",
            "Shows the exact request that a connector would send for an event with these settings: its sample, an "
            "event that is given, or a published one. Credentials are not needed, and shown as `***`. Nothing is "
            "stored or sent.",
        ),
    }

    required_scopes = {"POST": Scope.READ}
    required_permissions = {"POST": "delivery.view_payload"}

    @extend_schema(
        operation_id="preview_connector",
        request=ConnectorPreviewSerializer,
        responses={200: ConnectorRequestSerializer},
        examples=[
            OpenApiExample(
                "Discord",
                {"settings": {"url": "https://discord.com/api/webhooks/1234/abcdef"}},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, ref: str) -> Response:
        tenant, connector = tenant_of(request), connector_of(ref)
        serializer = ConnectorPreviewSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields: dict[str, Any] = serializer.validated_data
        event = event_of(request, tenant, fields["event"]) if "event" in fields else sample_event(connector)
        try:
            shown = preview(
                connector,
                fields["settings"],
                fields["message"],
                event,
                tenant.pk,
                budget=StepBudget(MAX_STEPS),
                transformer=fields.get("transformer"),
            )
        except BudgetExceeded:
            raise ValidationError({"event": [TOO_COSTLY]}) from None
        return Response(ConnectorRequestSerializer(shown).data)
