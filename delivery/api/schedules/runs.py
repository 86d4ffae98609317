"""Serve what is done with schedules: preview their occurrences, run one now."""

from django.utils import timezone
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.publishing.publish_results import accepted
from delivery.api.serializers.events import PublishResultSerializer
from delivery.api.serializers.schedules import SchedulePreviewCreateSerializer, SchedulePreviewSerializer
from delivery.models import Schedule
from delivery.schedules import schedules
from delivery.schedules.preview import preview
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Scope


class SchedulePreview(TenantScoped[Schedule]):
    """Preview the occurrences of an expression."""

    is_audited = False
    operations = {
        "post": (
            "Preview a schedule",
            "Returns the next ten occurrences of an expression, in its time zone and in UTC, and how close two of "
            "them are. Nothing is stored.",
        ),
    }

    queryset = Schedule.objects.all()
    required_scopes = {"POST": Scope.READ}
    serializer_class = SchedulePreviewCreateSerializer

    @extend_schema(
        request=SchedulePreviewCreateSerializer,
        responses={200: SchedulePreviewSerializer},
        examples=[
            OpenApiExample(
                "Weekdays in Berlin",
                {"expression": "cron(0 10 ? * MON-FRI *)", "timezone": "Europe/Berlin"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        self.tenant_id()  # raises NotFound for a tenant that does not exist
        found = preview(Schedule(**self.body()), timezone.now())
        return Response(SchedulePreviewSerializer(found).data)


class ScheduleRun(TenantScoped[Schedule]):
    """Publish the event of a schedule now."""

    operations = {
        "post": (
            "Run a schedule now",
            "Publishes the event of a schedule now, whatever its state, and returns the result as *Publish an event* "
            "does. Its occurrences stay as they are.",
        ),
    }
    reads_body = False

    queryset = Schedule.objects.all()
    required_scopes = {"POST": Scope.PUBLISH}
    required_permissions = {"POST": "delivery.change_schedule"}
    serializer_class = PublishResultSerializer

    @extend_schema(request=None, responses={202: PublishResultSerializer})
    def post(self, request: Request, ref: str) -> Response:
        return Response(accepted(schedules.run_now(self.get_object())), status=status.HTTP_202_ACCEPTED)
