"""Serialize schedules, previews of their occurrences, and schedules as Amazon EventBridge Scheduler writes them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from delivery.api.serializers.plain_events import PlainEventField
from delivery.models import Schedule
from subscriptions.api.fields.own import Uid
from subscriptions.models import Tenant
from webhooks.kit.rest.fields.json_values import ObjectField
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import ChoiceField, InstantField, IntegerField, MultilineTextField, TextField
from webhooks.kit.rest.serializers import StrictModelSerializer, StrictSerializer

EVENT_HELP = (
    "The event in the plain form: `type`, and optionally `source`, `subject`, `data`, `extensions`. Texts in it may "
    "contain `<schedule.scheduled_at>`, `<schedule.id>` and `<schedule.occurrence>` (its number, from 1). Example: "
    '`{"type": "reminder.due", "data": {"at": "<schedule.scheduled_at>"}}`.'
)
STATES = [("ENABLED", "Active"), ("DISABLED", "Paused")]
MODES = [("OFF", "On time"), ("FLEXIBLE", "Within a window")]
ACTIONS = [("NONE", "Keep it"), ("DELETE", "Delete it")]


class ScheduleSerializer(StrictModelSerializer):
    """An event that is published at the times of an expression."""

    id = IdField(Schedule.prefix, read_only=True)
    uid = Uid()
    tenant = IdField(Tenant.prefix, source="tenant_id", read_only=True, help_text="Id of the tenant it belongs to.")
    event = PlainEventField(help_text=EVENT_HELP)
    kept_by_put = frozenset({"state"})

    class Meta:
        model = Schedule
        fields = [
            "id",
            "uid",
            "tenant",
            "group",
            "description",
            "expression",
            "timezone",
            "start_at",
            "end_at",
            "flexible_window_minutes",
            "state",
            "action_after_completion",
            "catch_up",
            "event",
            "next_at",
            "due_at",
            "last_at",
            "occurrences",
            "failures",
            "last_error",
            "created_at",
            "updated_at",
        ]
        read_only_fields = [
            "next_at",
            "due_at",
            "last_at",
            "occurrences",
            "failures",
            "last_error",
            "created_at",
            "updated_at",
        ]


class SchedulePreviewCreateSerializer(StrictSerializer):
    """The times to preview."""

    expression = TextField(max_length=256, help_text="Expression, as of a schedule: `cron(0 10 ? * MON-FRI *)`.")
    timezone = TextField(max_length=64, default="UTC", help_text="IANA time zone, such as `Europe/Berlin`.")
    start_at = InstantField(required=False, allow_null=True, help_text="No occurrence before; a rate begins then.")
    end_at = InstantField(required=False, allow_null=True, help_text="No occurrence after.")


class SchedulePreviewOccurrenceSerializer(serializers.Serializer[Any]):
    """An occurrence."""

    at = serializers.DateTimeField(help_text="Its time in UTC.")
    local = serializers.CharField(help_text="Its time in the time zone, with the offset that applies then.")


class SchedulePreviewSerializer(serializers.Serializer[Any]):
    """The next occurrences of an expression."""

    occurrences = SchedulePreviewOccurrenceSerializer(many=True, help_text="The next ten occurrences, or all.")
    shortest_interval_seconds = serializers.IntegerField(
        allow_null=True, help_text="Seconds between the two closest of the next 300 occurrences; null: there is one."
    )


@extend_schema_field({"type": "string", "format": "date-time"})
class EventBridgeInstant(InstantField):
    """A time as AWS writes it: text, or seconds since 1970, which is not described: clients get one type for it."""

    def to_internal_value(self, value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            try:
                return datetime.fromtimestamp(value, UTC)
            except (ValueError, OverflowError, OSError):
                self.fail("overflow")
        return super().to_internal_value(value)


class AwsTextField(TextField):
    """A text that is not used, such as an ARN."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=2048, **options)


class EventBridgeWindowSerializer(StrictSerializer):
    """FlexibleTimeWindow of Amazon EventBridge Scheduler."""

    Mode = ChoiceField(MODES, help_text="Whether there is a window.")
    MaximumWindowInMinutes = IntegerField(
        required=False, allow_null=True, min_value=1, max_value=Schedule.MAX_WINDOW, help_text="Its length in minutes."
    )


class EventBridgeParametersSerializer(StrictSerializer):
    """EventBridgeParameters of a target of Amazon EventBridge Scheduler."""

    DetailType = TextField(max_length=256, help_text="Type of the event.")
    Source = TextField(max_length=256, help_text="Source of the event.")


class EventBridgeTargetSerializer(StrictSerializer):
    """Target of Amazon EventBridge Scheduler. What only AWS has a use for is accepted and not stored."""

    Input = MultilineTextField(
        required=False,
        allow_null=True,
        trim_whitespace=False,
        max_length=256 * 1024,
        help_text="Data of the event: JSON, or text. `<aws.scheduler...>` is replaced by the placeholder that it is "
        "called here.",
    )
    EventBridgeParameters = EventBridgeParametersSerializer(
        required=False, allow_null=True, help_text="Type and source of the event."
    )

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | _not_stored(
            AwsTextField, "Arn RoleArn", ObjectField, "RetryPolicy DeadLetterConfig SqsParameters KinesisParameters"
        )


class EventBridgeScheduleSerializer(StrictSerializer):
    """A schedule as `CreateSchedule` of Amazon EventBridge Scheduler takes it, or `GetSchedule` returns it."""

    Name = TextField(max_length=64, help_text="Becomes the `uid`.")
    ScheduleExpression = TextField(max_length=256, help_text="`at(...)`, `rate(...)` or `cron(...)`.")
    ScheduleExpressionTimezone = TextField(required=False, max_length=64, help_text="IANA time zone. Default: UTC.")
    GroupName = TextField(required=False, max_length=64, help_text="Becomes the `group`.")
    Description = TextField(required=False, allow_null=True, allow_blank=True, max_length=512, help_text="Description.")
    StartDate = EventBridgeInstant(required=False, allow_null=True, help_text="Becomes `start_at`.")
    EndDate = EventBridgeInstant(required=False, allow_null=True, help_text="Becomes `end_at`.")
    State = ChoiceField(STATES, required=False, help_text="Whether it is active. Default: `ENABLED`.")
    ActionAfterCompletion = ChoiceField(
        ACTIONS, required=False, help_text="What becomes of it after its last occurrence. Default: `NONE`."
    )
    FlexibleTimeWindow = EventBridgeWindowSerializer(required=False, help_text="Window. Default: on time.")
    Target = EventBridgeTargetSerializer(help_text="What is published.")

    def get_fields(self) -> dict[str, Any]:
        return super().get_fields() | _not_stored(
            AwsTextField, "Arn KmsKeyArn ClientToken", EventBridgeInstant, "CreationDate LastModificationDate"
        )


def _not_stored(*kinds_and_names: Any) -> dict[str, Any]:
    """Return optional fields that are accepted and not used: each kind of field with the names of its fields."""
    found: dict[str, Any] = {}
    kinds: list[Callable[..., Any]] = list(kinds_and_names[::2])
    for kind, names in zip(kinds, kinds_and_names[1::2], strict=True):
        for name in names.split():
            found[name] = kind(required=False, allow_null=True, help_text="Accepted and not used.")
    return found
