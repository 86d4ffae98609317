"""Serve the verification of an endpoint, and the callback by which a target confirms it."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from delivery.single_attempts.endpoint_verification import verify_by_event
from subscriptions.api.tenancy import TenantScoped
from subscriptions.endpoints.http import verification
from subscriptions.models import Endpoint, HttpSettings
from webhooks.kit.rest.fields.scalars import ChoiceField, IntegerField
from webhooks.kit.rest.serializers import StrictSerializer

METHODS = [
    ("handshake", "An OPTIONS request, as the CloudEvents webhook specification describes"),
    ("event", "A signed event, whose `challenge` the endpoint returns in its response"),
]


class VerificationSerializer(StrictSerializer):
    """How to verify that the endpoint wants deliveries."""

    by = ChoiceField(METHODS, default="handshake", help_text="Method of verification.")
    rate = IntegerField(
        required=False,
        min_value=1,
        max_value=999_999_999,
        help_text="Requests per minute to ask for. Only with a handshake. Default: no limit is asked for.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["by"] == "event" and "rate" in attrs:
            raise ValidationError({"rate": ["Only allowed with a handshake."]})
        return attrs


class VerificationResultSerializer(serializers.Serializer[verification.VerificationResult]):
    """The result of a verification request."""

    verification = serializers.ChoiceField(
        HttpSettings.Verification.choices,
        help_text="Whether the endpoint is verified; `requested`: it can still confirm by the callback.",
    )
    allowed_rate = serializers.IntegerField(
        allow_null=True, help_text="Requests per minute that the endpoint allows; null: any number."
    )
    problem = serializers.CharField(help_text="Why the endpoint is not verified; empty if it is.")


class EndpointVerification(TenantScoped[Endpoint]):
    """Verify that an endpoint wants deliveries."""

    operations = {
        "post": (
            "Verify an endpoint",
            "Asks the endpoint whether it wants webhooks: by the CloudEvents handshake (an OPTIONS request), "
            "or by a signed event whose challenge it has to return.",
        ),
    }

    outside_transaction = True  # read by subscriptions.api.conventions.idempotency
    queryset = Endpoint.objects.select_related("http").filter(deleted_at=None)
    endpoint_path = "pk"
    required_permissions = {"POST": "subscriptions.change_endpoint"}
    serializer_class: type[serializers.Serializer[Any]] = VerificationSerializer

    @extend_schema(
        operation_id="verify_endpoint",
        request=VerificationSerializer,
        responses={200: VerificationResultSerializer},
        examples=[OpenApiExample("At most 120 a minute", {"by": "handshake", "rate": 120}, request_only=True)],
    )
    def post(self, request: Request, ref: str) -> Response:
        endpoint = self.get_object()
        serializer = VerificationSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        fields = serializer.validated_data
        verification.check_has_url(endpoint)
        try:
            if fields["by"] == "event":
                return Response(VerificationResultSerializer(verify_by_event(endpoint)).data)
            result = verification.request_verification(endpoint, fields.get("rate"))
            return Response(VerificationResultSerializer(result).data)
        except Endpoint.DoesNotExist:
            raise NotFound from None


class VerificationCallback(APIView):
    """Accept a target's confirmation. The key in the URL authenticates it; GET works from a browser."""

    operations = {
        "get": (
            "Confirm an endpoint's verification by GET",
            "The same as the POST, for confirming from a browser. Called with the URL in the handshake's "
            "`WebHook-Request-Callback`; `WebHook-Allowed-Rate` is optional. Needs no API key.",
        ),
        "post": (
            "Confirm an endpoint's verification",
            "Called by the endpoint, with the URL from the handshake's `WebHook-Request-Callback`, to allow "
            "deliveries at the rate in `WebHook-Allowed-Rate`. Needs no API key.",
        ),
    }

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(operation_id="confirm_verification_by_get", auth=[], responses={200: VerificationResultSerializer})
    def get(self, request: Request, key: str) -> Response:
        return self._confirm(request, key)

    @extend_schema(
        operation_id="confirm_verification", auth=[], request=None, responses={200: VerificationResultSerializer}
    )
    def post(self, request: Request, key: str) -> Response:
        return self._confirm(request, key)

    def _confirm(self, request: Request, key: str) -> Response:
        try:
            result = verification.accept_callback(key, request.headers)
        except verification.UnknownCallbackKey:
            raise NotFound from None
        if result.problem:
            raise ValidationError({"WebHook-Allowed-Rate": [result.problem]})
        return Response(VerificationResultSerializer(result).data)
