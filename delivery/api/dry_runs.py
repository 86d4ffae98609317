"""Dry runs: what a subscription, existing or only thought of, would do with given or stored events."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from delivery.api.explanations import MismatchSerializer
from delivery.reading import dry_run, queries
from subscriptions.api.fields.routing import EventTypes, Pattern, Transformer
from subscriptions.api.tenancy import tenant_of
from subscriptions.models import Endpoint, Scope, Subscription, Tenant
from subscriptions.routing.compiled_patterns import compile_pattern, compile_transformer
from subscriptions.routing.targets import load_targets
from webhooks.kit.rest.lookup import find
from webhooks.kit.rest.serializers import JsonField, ListField, ReferenceField, StrictSerializer
from webhooks.wire.errors import InvalidEvent

__all__ = ["DryRuns"]

MOST_EVENTS = 25
ONE = 'Give "event" or "events": an event as an object, or the id of one that was taken.'


def _subscriptions(asked: serializers.BaseSerializer[Any]) -> Any:
    return Subscription.objects.select_related("endpoint").filter(
        tenant=asked.context["tenant"], endpoint__deleted_at=None
    )


def _endpoints(asked: serializers.BaseSerializer[Any]) -> Any:
    return Endpoint.objects.filter(tenant=asked.context["tenant"], deleted_at=None)


@extend_schema_field({"oneOf": [{"type": "object", "additionalProperties": True}, {"type": "string"}]})
class EventOrId(JsonField):
    """An event as it would be published, or the id of one that was."""


class DryRunRequestSerializer(StrictSerializer):
    """A subscription to try and events to try it on. `subscription` gives what is left out of the others."""

    subscription = ReferenceField(_subscriptions, required=False, help_text="One that there is, by its id.")
    endpoint = ReferenceField(_endpoints, required=False, help_text="Where it would go, by its id or its uid.")
    event_types = EventTypes(required=False, help_text="`*` if left out.")
    pattern = Pattern(required=False, allow_null=True)
    transformer = Transformer(required=False, allow_null=True)
    event = EventOrId(required=False, help_text="An event as an object, or the id of one that was taken.")
    events = ListField(child=EventOrId(), required=False, min_length=1, max_length=MOST_EVENTS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("event" in attrs) == ("events" in attrs):
            raise ValidationError({"event": [ONE]})
        return attrs


class RequestPreviewSerializer(serializers.Serializer[Any]):
    """What would be sent. The body is in `body_base64` if it is not text. The signature is made when it is sent."""

    headers = serializers.DictField(child=serializers.CharField())
    body = serializers.SerializerMethodField()
    body_base64 = serializers.SerializerMethodField()

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_body(self, preview: dry_run.RequestPreview) -> str | None:
        try:
            return preview.body.decode()
        except UnicodeDecodeError:
            return None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_body_base64(self, preview: dry_run.RequestPreview) -> str | None:
        return None if self.get_body(preview) is not None else b64encode(preview.body).decode()


class DryRunSerializer(serializers.Serializer[Any]):
    """One event. `matches`: it would be delivered; if not, by its type or where `mismatches` say."""

    matches = serializers.BooleanField()
    type_matches = serializers.BooleanField()
    mismatches = MismatchSerializer(many=True)
    transformation_error = serializers.CharField(allow_blank=True, help_text="Why the transformation failed; or empty.")
    request = RequestPreviewSerializer(source="preview", allow_null=True)


class DryRunsSerializer(serializers.Serializer[Any]):
    """One result for each event, in order."""

    data = DryRunSerializer(many=True)  # type: ignore[assignment]  # a field that is called as the stubs call an option


class DryRuns(APIView):
    """Try a subscription before making it, or find out what an existing one does. Nothing is kept, nothing is sent."""

    required_scopes = {"POST": Scope.READ}

    @extend_schema(
        operation_id="test_subscription",
        request=DryRunRequestSerializer,
        responses={200: DryRunsSerializer},
        examples=[
            OpenApiExample(
                "A pattern on an event",
                {
                    "pattern": {"data": {"total": [{"numeric": [">", 100]}]}},
                    "event": {"type": "order.paid", "data": {"total": 42}},
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """200 with a result for each event, whether it matches or not."""
        tenant = tenant_of(request)
        asked = DryRunRequestSerializer(data=request.data, context={"tenant": tenant, "request": request})
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        subjects = list(_subjects(tenant, wanted))
        tried = _tried(wanted)
        return Response({"data": DryRunSerializer([dry_run.dry_run(it, **tried) for it in subjects], many=True).data})


def _tried(wanted: dict[str, Any]) -> dict[str, Any]:
    """What to try: what was given, and what the subscription has of the rest."""
    row: Subscription | None = wanted.get("subscription")
    pattern = wanted.get("pattern", row.pattern if row else None)
    transformer = wanted.get("transformer", row.transformer if row else None)
    endpoint = wanted.get("endpoint") or (row and row.endpoint)
    return {
        "event_types": wanted.get("event_types") or (row.event_types if row else ["*"]),
        "pattern": None if pattern is None else compile_pattern(pattern),
        "transformer": None if transformer is None else compile_transformer(transformer),
        "target": load_targets([endpoint.id]).get(endpoint.id) if endpoint else None,
    }


def _subjects(tenant: Tenant, wanted: dict[str, Any]) -> Iterator[dry_run.DryRunEvent]:
    """The events. Raises ValidationError that names the place of one that cannot be read."""
    if "event" in wanted:
        yield _subject(tenant, wanted["event"], lambda detail: {"event": detail})
        return
    for place, each in enumerate(wanted["events"]):
        yield _subject(tenant, each, lambda detail, place=place: {"events": {str(place): detail}})


def _subject(tenant: Tenant, written: Any, named: Any) -> dry_run.DryRunEvent:
    if isinstance(written, str):
        row = find(queries.events(tenant.pk).defer(None).defer("digest"), written)
        if row is None:
            raise ValidationError(named(["No event with this id."]))
        return dry_run.stored_event(row.pk, bytes(row.body))
    if not isinstance(written, dict):
        raise ValidationError(named([ONE]))
    try:
        return dry_run.parse_event(written)
    except InvalidEvent as error:
        raise ValidationError(named({error.attribute or "non_field_errors": [error.reason]})) from None
