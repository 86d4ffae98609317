"""A test delivery: what is sent to an endpoint now, and what it answers."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound, Throttled, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.models import Event
from delivery.publishing.prepare import MAX_ATTRIBUTE_BYTES
from delivery.reading import queries
from delivery.reading.timeline import response_text
from delivery.testing.test_delivery import TEST_TYPE, Busy, TestDelivery, send_test
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Endpoint
from webhooks.kit.rest.lookup import find
from webhooks.kit.rest.serializers import JsonField, StrictSerializer, TextField
from webhooks.wire.errors import InvalidEvent

__all__ = ["EndpointTest"]

AGAIN = 2  # seconds


class TestDeliverySerializer(StrictSerializer):
    """What to send: a stored `event`, or a new one of this `type` and `data`, which is kept nowhere."""

    event = TextField(required=False, help_text="The id of a stored event, which is sent as it is, under its own id.")
    type = TextField(
        required=False, max_length=MAX_ATTRIBUTE_BYTES["type"], help_text=f"Of a new event; default {TEST_TYPE}."
    )
    data = JsonField(  # type: ignore[assignment]  # a field that is called as the stubs call a property
        required=False, help_text='Of the new event; `{"test": true}` if left out.'
    )

    def validate(self, asked: dict[str, Any]) -> dict[str, Any]:
        if "event" in asked and len(asked) > 1:
            raise ValidationError({"event": ["Give an event, or the type and data of a new one."]})
        return asked


class TrialSerializer(serializers.Serializer[TestDelivery]):
    """One delivery that was sent to be looked at. ``error`` is the class of the failure, empty if it was taken.
    ``revived``: the endpoint had been disabled for its failures, and this has enabled it."""

    delivered = serializers.BooleanField(source="outcome.delivered")
    error = serializers.SerializerMethodField()
    request = serializers.SerializerMethodField()
    response = serializers.SerializerMethodField()
    timing = serializers.DictField(
        child=serializers.IntegerField(), help_text="Milliseconds from the start until each step was over."
    )
    revived = serializers.BooleanField(source="re_enabled")

    def get_error(self, trial: TestDelivery) -> str:
        return trial.outcome.failure or ""

    @extend_schema_field(
        {
            "type": "object",
            "properties": {
                "method": {"type": "string"},
                "url": {"type": "string"},
                "headers": {"type": "object", "additionalProperties": {"type": "string"}},
                "body": {"type": "string"},
            },
        }
    )
    def get_request(self, trial: TestDelivery) -> dict[str, Any]:
        body = trial.body.decode("utf-8", "replace")
        return {"method": "POST", "url": trial.url, "headers": trial.headers, "body": body}

    @extend_schema_field(
        {
            "type": ["object", "null"],
            "properties": {
                "status": {"type": "integer"},
                "headers": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
                "body": {"type": "string"},
                "body_truncated": {"type": "boolean"},
            },
        }
    )
    def get_response(self, trial: TestDelivery) -> dict[str, Any] | None:
        if trial.outcome.status is None:
            return None
        text, cut = response_text(trial.outcome.response)
        return {
            "status": trial.outcome.status,
            "headers": trial.response_headers,
            "body": text,
            "body_truncated": cut,
        }


class EndpointTest(TenantScoped[Endpoint]):
    """A test delivery to one endpoint."""

    outside_transaction = True  # read by config.api.idempotency
    queryset = Endpoint.objects.filter(deleted_at=None)
    serializer_class: type[serializers.Serializer[Any]] = TestDeliverySerializer

    @extend_schema(
        operation_id="test_endpoint",
        request=TestDeliverySerializer,
        responses={200: TrialSerializer},
        examples=[OpenApiExample("An order", {"type": "order.paid", "data": {"total": 42}}, request_only=True)],
    )
    def post(self, request: Request, ref: str) -> Response:
        """Send one delivery now and show the request, the answer and the timing. It is composed, signed and guarded
        like every delivery, and neither retried nor recorded. Paused and disabled endpoints can be tested, too; one
        that was disabled because it failed, and passes, is enabled."""
        endpoint = self.get_object()
        asked = TestDeliverySerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = dict(asked.validated_data)
        if "event" in wanted:
            wanted["event"] = _event(endpoint, wanted["event"])
        return Response(TrialSerializer(_trial(endpoint, wanted)).data, headers={"Cache-Control": "no-store"})


def _event(endpoint: Endpoint, ref: str) -> Event:
    """The tenant's event with this id. Raises NotFound."""
    event = find(queries.events(endpoint.tenant_id), ref)
    if event is None:
        raise NotFound("There is no such event.")
    return event


def _trial(endpoint: Endpoint, wanted: dict[str, Any]) -> TestDelivery:
    try:
        return send_test(endpoint, **wanted)
    except InvalidEvent as error:
        raise ValidationError({error.attribute or "data": [error.reason]}) from None
    except Endpoint.DoesNotExist:
        raise NotFound from None
    except Busy:
        raise Throttled(wait=AGAIN) from None
