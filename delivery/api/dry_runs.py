"""Test a subscription, stored or new, on given or stored events, without sending anything."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.explanations import PatternMismatchSerializer, ShownMaskSerializer
from delivery.api.publishing.event_refs import find_event
from delivery.api.publishing.publish_results import field_errors
from delivery.reading import queries
from delivery.reading.requests import dry_run
from delivery.reading.requests.shaping import Masking
from subscriptions.api.authentication import require_permission
from subscriptions.api.fields.routing import EventTypesField, PatternField, TransformerField
from subscriptions.api.tenancy import tenant_of
from subscriptions.models import Endpoint, Scope, Subscription, Tenant
from subscriptions.routing.compiled_patterns import compile_pattern, compile_transformer
from subscriptions.routing.targets import load_targets
from webhooks.kit.bodies.payloads import record_look_at
from webhooks.kit.rest.fields.json_values import JsonField, ListField
from webhooks.kit.rest.fields.references import ReferenceField
from webhooks.kit.rest.serializers import StrictSerializer
from webhooks.kit.rest.strict_views import StrictView
from webhooks.wire.errors import InvalidEvent
from webhooks.wire.step_budget import BudgetExceeded, StepBudget

MAX_EVENTS = 25
MAX_STEPS = 1_500_000  # of matching and rendering in one request: about 0.4 s of processor time
TOO_COSTLY = "This costs too much at once; give fewer or smaller events, or a simpler pattern."
ONE = 'Give "event" or "events": an event as an object, or the id of one that was published.'


def _subscriptions(serializer: serializers.BaseSerializer[Any]) -> Any:
    return Subscription.objects.select_related("endpoint").filter(
        tenant=serializer.context["tenant"], endpoint__deleted_at=None
    )


def _endpoints(serializer: serializers.BaseSerializer[Any]) -> Any:
    return Endpoint.objects.filter(tenant=serializer.context["tenant"], deleted_at=None)


@extend_schema_field({"oneOf": [{"type": "object", "additionalProperties": True}, {"type": "string"}]})
class EventOrId(JsonField):
    """An event as it would be published, or the id of a stored one."""


class DryRunSerializer(StrictSerializer):
    """A subscription, stored or given here, and the events to test it on.

    Fields that are left out are those of `subscription`, if it is given.
    """

    subscription = ReferenceField(_subscriptions, required=False, help_text="Id or `uid` of a stored subscription.")
    endpoint = ReferenceField(
        _endpoints,
        required=False,
        help_text="Id or `uid` of the endpoint whose request is shown. Without one, no request is shown.",
    )
    event_types = EventTypesField(
        required=False, help_text="Exact types, `order.*` for all types below order, or `*`. Default: `*`."
    )
    pattern = PatternField(
        required=False,
        allow_null=True,
        help_text='Event pattern, matched against the whole event: `{"data": {"total": [{"numeric": [">", 100]}]}}`. '
        "Null: any event matches.",
    )
    transformer = TransformerField(
        required=False,
        allow_null=True,
        help_text="Body to send, as `input_paths`, `texts`, `template` and `content_type`, or as `jsonata` and "
        "`content_type`; null: the whole event.",
    )
    event = EventOrId(
        required=False, help_text="One event: an object as it would be published, or the id of a published event."
    )
    events = ListField(
        child=EventOrId(),
        required=False,
        min_length=1,
        max_length=MAX_EVENTS,
        help_text=f"Several events in place of `event`, up to {MAX_EVENTS}.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("event" in attrs) == ("events" in attrs):
            raise ValidationError({"event": [ONE]})
        return attrs


class RequestPreviewSerializer(serializers.Serializer[Any]):
    """The request that would be sent. The signature is missing, since it is made at the time of sending."""

    headers = serializers.DictField(child=serializers.CharField(), help_text="Request headers, by name.")
    body = serializers.SerializerMethodField(help_text="Request body as text; null if it is not UTF-8.")
    body_base64 = serializers.SerializerMethodField(
        help_text="Request body in base64 if it is not UTF-8; otherwise null."
    )

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_body(self, preview: dry_run.RequestPreview) -> str | None:
        try:
            return preview.body.decode()
        except UnicodeDecodeError:
            return None

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_body_base64(self, preview: dry_run.RequestPreview) -> str | None:
        return None if self.get_body(preview) is not None else b64encode(preview.body).decode()


class AppliedMaskSerializer(ShownMaskSerializer):
    """A mask, with the number of values that it found."""

    values = serializers.IntegerField(help_text="How many values of the event it applies to.")


class DryRunResultSerializer(serializers.Serializer[Any]):
    """The result for one event: whether it would be delivered, and why not otherwise."""

    matches = serializers.BooleanField(help_text="Whether the event would be delivered.")
    type_matches = serializers.BooleanField(help_text="Whether `event_types` include the event's type.")
    mismatches = PatternMismatchSerializer(
        many=True, help_text="Where the pattern does not match; empty if it does, or without a pattern."
    )
    transformation_error = serializers.CharField(
        allow_blank=True, help_text="Why the transformation failed; empty if it did not."
    )
    masks = AppliedMaskSerializer(
        many=True,
        help_text="Masks of the event's type and of the endpoint. Those of a published event's type were applied "
        "before, and are not listed.",
    )
    request = RequestPreviewSerializer(
        source="preview",
        allow_null=True,
        help_text="The request that would be sent; null without an endpoint, or if nothing would be sent.",
    )


class DryRunResultsSerializer(serializers.Serializer[Any]):
    """The results of a subscription test."""

    data = DryRunResultSerializer(  # type: ignore[assignment]  # the stubs have an option of this name
        many=True, help_text="One result for each event, in order."
    )


class DryRuns(StrictView):
    """Test a subscription on events. Nothing is stored, nothing is sent."""

    is_audited = False
    has_large_body = True  # read by subscriptions.api.conventions.errors
    keeps_numbers = True  # likewise
    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "post": (
            "Test a subscription",
            "Tries a subscription, stored or only given in the request, on events, stored or given: whether "
            "each matches, which condition fails otherwise, and the exact request that would be sent. Nothing "
            "is stored or sent.",
        ),
    }

    required_scopes = {"POST": Scope.READ}
    required_permissions = {"POST": "delivery.view_payload"}

    @extend_schema(
        operation_id="test_subscription",
        request=DryRunSerializer,
        responses={200: DryRunResultsSerializer},
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
        tenant = tenant_of(request)
        serializer = DryRunSerializer(data=request.data, context={"tenant": tenant, "request": request})
        serializer.is_valid(raise_exception=True)
        fields = serializer.validated_data
        subjects = list(_subjects(request, tenant, fields))
        arguments = _dry_run_arguments(tenant, fields)
        budget = StepBudget(MAX_STEPS)
        try:
            results = [dry_run.dry_run(it, **arguments, budget=budget) for it in subjects]
        except BudgetExceeded:
            raise ValidationError({"non_field_errors": [TOO_COSTLY]}) from None
        return Response({"data": DryRunResultSerializer(results, many=True).data})


def event_of(request: Request, tenant: Tenant, written: Any) -> dry_run.DryRunEvent:
    """Return the event of the field ``event``; a stored one is looked at. Raises ValidationError."""
    return _subject(request, tenant, written, lambda detail: {"event": detail})


def _dry_run_arguments(tenant: Tenant, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the dry run: the given fields, and those of the stored subscription for the others."""
    row: Subscription | None = fields.get("subscription")
    pattern = fields.get("pattern", row.pattern if row else None)
    transformer = fields.get("transformer", row.transformer if row else None)
    endpoint: Endpoint | None = fields.get("endpoint") or (row.endpoint if row else None)
    return {
        "event_types": fields.get("event_types") or (row.event_types if row else ["*"]),
        "pattern": None if pattern is None else compile_pattern(pattern),
        "transformer": None if transformer is None else compile_transformer(transformer),
        "target": load_targets([endpoint.id]).get(endpoint.id) if endpoint else None,
        "masking": Masking(tenant.pk, endpoint),
    }


def _subjects(request: Request, tenant: Tenant, fields: dict[str, Any]) -> Iterator[dry_run.DryRunEvent]:
    """Yield the events. Raises a ValidationError that names the field of an invalid one."""
    if "event" in fields:
        yield event_of(request, tenant, fields["event"])
        return
    for place, each in enumerate(fields["events"]):
        yield _subject(request, tenant, each, lambda detail, place=place: {"events": {str(place): detail}})


def _subject(request: Request, tenant: Tenant, written: Any, named: Any) -> dry_run.DryRunEvent:
    if isinstance(written, str):
        require_permission(request, "delivery.view_payload")  # of callers without a role, too
        row = find_event(
            queries.events(tenant.pk).defer(None).defer("original", "digest"), written, tenant_id=tenant.pk
        )
        if row is None:
            raise ValidationError(named(["No event with this id."]), code="unknown")
        record_look_at(request, row)
        return dry_run.stored_event(row.pk, bytes(row.body))
    if not isinstance(written, dict):
        raise ValidationError(named([ONE]))
    try:
        return dry_run.parse_event(written)
    except InvalidEvent as error:
        raise ValidationError(named(field_errors(error))) from None
