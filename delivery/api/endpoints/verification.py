"""Asking an endpoint for its consent, and the address at which it gives it."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, Throttled, ValidationError
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from delivery.testing.endpoint_verification import verify_by_event
from delivery.testing.test_delivery import Busy
from subscriptions.api.fields import Choice, Strict, Whole
from subscriptions.api.tenancy import TenantScoped
from subscriptions.endpoints import verification
from subscriptions.models import Endpoint

__all__ = ["CallBack", "EndpointConsent"]

AGAIN = 2  # seconds


class AskSerializer(Strict):
    """How to ask: by the `handshake` of the CloudEvents webhook specification (OPTIONS), for `rate` requests per minute
    if given; or by an `event`, signed, whose `challenge` has to be in the answer."""

    by = Choice(["handshake", "event"], default="handshake")
    rate = Whole(required=False, min_value=1, max_value=999_999_999)

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["by"] == "event" and "rate" in asked:
            raise ValidationError({"rate": ["Goes with a handshake."]})
        return asked


class SaidSerializer(serializers.Serializer[verification.Said]):
    """What came of it. `asked`: it may still call back. `problem` says what was missing."""

    consent = serializers.ChoiceField(Endpoint.Consent.choices)
    allowed_rate = serializers.IntegerField(allow_null=True, help_text="Requests per minute; null: any.")
    problem = serializers.CharField()


class EndpointConsent(TenantScoped):
    """The consent of one endpoint."""

    outside_transaction = True  # read by config.api.idempotency
    queryset = Endpoint.objects.filter(deleted_at=None)
    serializer_class: type[serializers.Serializer[Any]] = AskSerializer

    @extend_schema(
        operation_id="ask_endpoint_consent",
        request=AskSerializer,
        responses={200: SaidSerializer},
        examples=[OpenApiExample("At most 120 a minute", {"by": "handshake", "rate": 120}, request_only=True)],
    )
    def post(self, request: Request, ref: str) -> Response:
        """Ask the endpoint now whether it wants deliveries, and show what it said."""
        endpoint = self.get_object()
        asked = AskSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        try:
            if wanted["by"] == "event":
                return Response(SaidSerializer(verify_by_event(endpoint)).data)
            return Response(SaidSerializer(verification.ask(endpoint, wanted.get("rate"))).data)
        except Busy:
            raise Throttled(wait=AGAIN) from None
        except Endpoint.DoesNotExist:
            raise NotFound from None


class CallBack(APIView):
    """Where a target that was asked gives its consent. The address is the key; GET is for people with a browser."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(operation_id="give_consent_by_get", auth=[], responses={200: SaidSerializer})
    def get(self, request: Request, key: str) -> Response:
        """Grant, at the rate in the header WebHook-Allowed-Rate if there is one."""
        return self._granted(request, key)

    @extend_schema(operation_id="give_consent", auth=[], request=None, responses={200: SaidSerializer})
    def post(self, request: Request, key: str) -> Response:
        """Grant, at the rate in the header WebHook-Allowed-Rate if there is one."""
        return self._granted(request, key)

    def _granted(self, request: Request, key: str) -> Response:
        try:
            said = verification.called_back(key, request.headers)
        except verification.UnknownKey:
            raise NotFound from None
        if said.problem:
            raise ValidationError({"WebHook-Allowed-Rate": [said.problem]})
        return Response(SaidSerializer(said).data)
