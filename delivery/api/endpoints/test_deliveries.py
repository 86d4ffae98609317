"""Send a test delivery to an endpoint and show the request, the response and the timing."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.publishing.event_refs import find_event
from delivery.api.publishing.publish_results import field_errors
from delivery.lifecycle.retry_endpoint import retry_after_successful_test
from delivery.models import Event
from delivery.publishing.prepare import MAX_ATTRIBUTE_BYTES
from delivery.reading import queries
from delivery.reading.timeline import explanation_of, response_text
from delivery.single_attempts.test_delivery import TestDelivery, send_test
from delivery.single_attempts.test_event import TEST_TYPE
from delivery.transports.http.repeats import CHOICES
from subscriptions.api.tenancy import TenantScoped, limited_to_endpoint
from subscriptions.errors import Invalid
from subscriptions.models import Endpoint
from webhooks.kit.rest.fields.json_values import JsonField
from webhooks.kit.rest.fields.scalars import BooleanField, TextField
from webhooks.kit.rest.serializers import StrictSerializer
from webhooks.wire.errors import InvalidEvent


class TestDeliveryCreateSerializer(StrictSerializer):
    """A test delivery to send: of a published event, or of a test event that is not stored."""

    event = TextField(required=False, help_text="Id of a published event. Excludes `type` and `data`.")
    type = TextField(
        required=False,
        max_length=MAX_ATTRIBUTE_BYTES["type"],
        help_text=f"Type of the test event. Default: `{TEST_TYPE}`.",
    )
    data = JsonField(  # type: ignore[assignment]  # the stubs have a property of this name
        required=False,
        help_text="Data of the test event, any JSON value. Default: the first example of the event type, or "
        '`{"test": true}`.',
    )
    dry_run = BooleanField(
        required=False, default=False, help_text="Show the request, without a signature, and send nothing."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "event" in attrs and attrs.keys() & {"type", "data"}:
            raise ValidationError({"event": ["Give an event, or the type and data of a new one."]})
        return attrs


class TestDeliverySerializer(serializers.Serializer[TestDelivery]):
    """The result of a test delivery: the request, the response and the timing."""

    sent = serializers.BooleanField(source="is_sent", help_text="Whether it was sent; false after `dry_run`.")
    delivered = serializers.BooleanField(help_text="Whether the endpoint responded with a success (2xx).")
    error = serializers.SerializerMethodField(
        help_text="Class of the failure, such as `timeout`; empty if it was delivered."
    )
    explanation = serializers.SerializerMethodField(
        help_text="What went wrong, and what to do about it; empty if `error` is empty or `status`."
    )
    request = serializers.SerializerMethodField(help_text="The request that was sent.")
    response = serializers.SerializerMethodField(help_text="The response; null: none.")
    timing = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Milliseconds from the start of the attempt to the end of each step, by the step's name.",
    )
    re_enabled = serializers.BooleanField(
        help_text="Whether the success enabled an endpoint that was disabled because it failed."
    )

    repeats = serializers.ListField(
        child=serializers.ChoiceField(choices=CHOICES),
        source="outcome.repeats",
        help_text="Why the request was sent again, one reason for each time; as in attempts.",
    )

    def get_error(self, test: TestDelivery) -> str:
        return test.outcome.failure or ""

    def get_explanation(self, test: TestDelivery) -> str:
        return explanation_of(test.outcome.failure or "", test.outcome.status)

    @extend_schema_field(
        {
            "type": "object",
            "properties": {
                "method": {
                    "type": "string",
                    "description": "HTTP method, or the operation of another protocol, such as `XADD`.",
                },
                "url": {"type": "string", "description": "URL, or address of the destination."},
                "headers": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "description": "Request headers, by name; credentials are masked.",
                },
                "body": {"type": "string", "description": "Request body as text."},
            },
        }
    )
    def get_request(self, test: TestDelivery) -> dict[str, Any]:
        body = test.body.decode("utf-8", "replace")
        return {"method": test.method, "url": test.url, "headers": test.headers, "body": body}

    @extend_schema_field(
        {
            "type": ["object", "null"],
            "properties": {
                "status": {"type": "integer", "description": "HTTP status."},
                "headers": {
                    "type": "array",
                    "items": {"type": "array", "items": {"type": "string"}},
                    "description": "Response headers, as pairs of name and value.",
                },
                "body": {
                    "type": "string",
                    "description": "Beginning of the response body as text, up to 4,096 characters.",
                },
                "body_truncated": {"type": "boolean", "description": "Whether the response body was longer."},
            },
        }
    )
    def get_response(self, test: TestDelivery) -> dict[str, Any] | None:
        if test.outcome.status is None:
            return None
        text, cut = response_text(test.outcome.response)
        return {"status": test.outcome.status, "headers": test.response_headers, "body": text, "body_truncated": cut}


class EndpointTest(TenantScoped[Endpoint]):
    """Test one endpoint."""

    operations = {
        "post": (
            "Send a test delivery",
            "Sends one signed test event to the endpoint now, as its subscription would send it (transformed), and "
            "returns the request, the response and the timing. With `dry_run` the request is only shown. "
            "Counts towards nothing and is not retried. A success enables an endpoint that was "
            "disabled because it failed, and retries at once what waits for an endpoint that fails.",
        ),
    }

    outside_transaction = True  # read by subscriptions.api.conventions.idempotency
    keeps_numbers = True  # read by subscriptions.api.conventions.errors
    queryset = Endpoint.objects.filter(deleted_at=None)
    endpoint_path = "pk"
    required_permissions = {"POST": "subscriptions.change_endpoint"}
    serializer_class: type[serializers.Serializer[Any]] = TestDeliveryCreateSerializer

    @extend_schema(
        operation_id="test_endpoint",
        request=TestDeliveryCreateSerializer,
        responses={200: TestDeliverySerializer},
    )
    def post(self, request: Request, ref: str) -> Response:
        """Send one delivery now and return the request, the response and the timing.

        It is composed, signed and guarded like every delivery, and neither retried nor recorded. Paused and disabled
        endpoints can be tested as well; one that was disabled for its failures is enabled if the test is delivered.
        """
        endpoint = self.get_object()
        serializer = TestDeliveryCreateSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        arguments = dict(serializer.validated_data)
        if "event" in arguments:
            arguments["event"] = _event(request, endpoint, arguments["event"])
        test = _send_test(endpoint, arguments)
        if test.delivered:
            retry_after_successful_test(endpoint)
        sent = TestDeliverySerializer(test).data
        return Response(sent, headers={"Cache-Control": "no-store"})


def _event(request: Request, endpoint: Endpoint, ref: str) -> Event:
    """Return the tenant's event with this id, if the key may see it. Raises ValidationError for ``event``."""
    rows = limited_to_endpoint(request, queries.events(endpoint.tenant_id), "deliveries__endpoint_id")
    event = find_event(rows, ref, tenant_id=endpoint.tenant_id)
    if event is None:
        raise ValidationError({"event": ["No event with this id."]}, code="unknown")
    return event


def _send_test(endpoint: Endpoint, arguments: dict[str, Any]) -> TestDelivery:
    try:
        return send_test(endpoint, **arguments)
    except Invalid as error:
        if error.field != "data":
            raise
        raise ValidationError({error.field: [error.message]}) from None
    except InvalidEvent as error:
        raise ValidationError(field_errors(error)) from None
    except Endpoint.DoesNotExist:
        raise NotFound from None
