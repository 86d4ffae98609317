"""Serve schedules: create, replace, list, read, change, delete; import those of Amazon EventBridge Scheduler."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.models import Q
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from delivery.api.publishing.publish_results import problem_of
from delivery.api.serializers.schedules import EventBridgeScheduleSerializer, ScheduleSerializer
from delivery.models import Schedule
from delivery.schedules import eventbridge, schedules
from subscriptions.api.tenancy import OwnedResource, TenantScoped, tenant_of
from subscriptions.errors import Invalid
from webhooks.kit.rest.query_params import ChoiceFilter, QueryParams, TextFilter
from webhooks.wire.errors import InvalidEvent

REMINDER = {"type": "reminder.due", "data": {"at": "<schedule.scheduled_at>"}}
EXAMPLES = [
    OpenApiExample(
        "Every weekday",
        {"expression": "cron(0 10 ? * MON-FRI *)", "timezone": "Europe/Berlin", "event": REMINDER},
        request_only=True,
    ),
    OpenApiExample(
        "Once, then deleted",
        {
            "uid": "reminder-A-17",
            "expression": "at(2030-12-24T18:00:00)",
            "timezone": "Europe/Helsinki",
            "action_after_completion": "delete",
            "event": {"type": "reminder.due", "subject": "A-17"},
        },
        request_only=True,
    ),
]


def _search(text: str) -> Q:
    return Q(uid__icontains=text) | Q(description__icontains=text) | Q(expression__icontains=text)


class ScheduleFilters(QueryParams):
    """Filter schedules."""

    state = ChoiceFilter(Schedule.State.choices, unindexed=True, help_text="State of the schedule.")
    group = TextFilter(unindexed=True, help_text="Group of the schedule, exact.")
    q = TextFilter(
        where=_search,
        unindexed=True,
        min_length=2,
        max_length=256,
        help_text="Text in the `uid`, the description or the expression, ignoring case.",
    )


@extend_schema_view(update=extend_schema(responses={200: ScheduleSerializer, 201: ScheduleSerializer}))
class Schedules(OwnedResource[Schedule]):
    """Schedules, newest first."""

    operations = {
        "list": ("List schedules", "Returns the tenant's schedules, newest first. Filter by state, group, or text."),
        "create": (
            "Create a schedule",
            "Publishes an event at the times of an expression in a time zone. A local time that clocks skip has no "
            "occurrence, one that they show twice has one. Each occurrence is published exactly once, under an id "
            "made of the schedule and the time.",
        ),
        "retrieve": ("Get a schedule", "Returns one schedule, by id or `uid`, with its next occurrence."),
        "update": (
            "Create or replace a schedule",
            "Sets every field of a schedule; a field that is left out gets its default, except the state. Creates it "
            "if no schedule has the `uid` in the path.",
        ),
        "partial_update": (
            "Update a schedule",
            "Changes the fields that are given and keeps the others. Set `state` to `paused` to publish nothing, and "
            "to `active` to continue with the next occurrence. A completed schedule with new times is active again.",
        ),
        "destroy": ("Delete a schedule", "Deletes a schedule. Events that it has published stay."),
    }

    queryset = Schedule.objects.all()
    hidden_fields = ("event.data", "last_error")  # an error may quote the data
    serializer_class = ScheduleSerializer
    query_params = ScheduleFilters
    creates_by_put = True

    @extend_schema(examples=EXAMPLES, responses={201: ScheduleSerializer})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().create(request, *args, **kwargs)

    def create_row(self, fields: dict[str, Any]) -> Response:
        with event_errors():
            return self.created(schedules.create_schedule(tenant_of(self.request), **fields))

    def write(self, row: Schedule, fields: dict[str, Any]) -> Schedule:
        """Change the schedule. The queue of its tenant is locked before the row, as everywhere."""
        with transaction.atomic():
            schedules.lock_queue(row.tenant_id)
            return super().write(row, fields)

    def change_row(self, row: Schedule, fields: dict[str, Any]) -> Schedule:
        with event_errors():
            return schedules.change_schedule(row, fields)

    def delete_row(self, row: Schedule) -> None:
        row.delete()


class ScheduleImport(TenantScoped[Schedule]):
    """Create a schedule from one of Amazon EventBridge Scheduler."""

    operations = {
        "post": (
            "Import a schedule from Amazon EventBridge Scheduler",
            "Creates a schedule from the request of `CreateSchedule`, or the response of `GetSchedule`. The input of "
            "the target becomes the data of the event, the name the `uid`. What only AWS has a use for (ARNs, retry "
            "policy, dead-letter queue) is not stored: deliveries have retries and dead letters of their own.",
        ),
    }

    queryset = Schedule.objects.all()
    serializer_class = EventBridgeScheduleSerializer

    @extend_schema(
        request=EventBridgeScheduleSerializer,
        responses={201: ScheduleSerializer},
        examples=[
            OpenApiExample(
                "Once in Helsinki",
                {
                    "Name": "closing-time",
                    "ScheduleExpression": "at(2030-12-24T18:00:00)",
                    "ScheduleExpressionTimezone": "Europe/Helsinki",
                    "FlexibleTimeWindow": {"Mode": "OFF"},
                    "ActionAfterCompletion": "DELETE",
                    "Target": {
                        "Arn": "arn:aws:events:eu-north-1:123456789012:event-bus/default",
                        "Input": '{"at": "<aws.scheduler.scheduled-time>"}',
                        "EventBridgeParameters": {"DetailType": "shop.closing", "Source": "shop"},
                    },
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        tenant = tenant_of(request)
        fields = eventbridge.fields_of(self.body(EventBridgeScheduleSerializer))
        try:
            with event_errors(eventbridge.their_name("event")):
                created = schedules.create_schedule(tenant, **fields)
        except Invalid as error:
            error.field = eventbridge.their_name(error.field)
            raise
        location = reverse("schedule-detail", args=[created.public_id], request=request)
        return Response(ScheduleSerializer(created).data, status.HTTP_201_CREATED, headers={"Location": location})


@contextmanager
def event_errors(field: str = "event") -> Iterator[None]:
    """Turn an InvalidEvent of the template into a validation error of this field, or of the plan's limit."""
    try:
        yield
    except InvalidEvent as error:
        found = problem_of(error)
        if isinstance(found, ValidationError):
            raise ValidationError({field: found.detail}) from error
        raise found from error
