"""Serve the jobs that discard or acknowledge many dead letters: preview, create, show the progress, cancel."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.filters.lists import DeadLetterJobFilters
from delivery.api.filters.row_filters import FilteredJobView, filter_errors, of_own_endpoint, read_row_filter
from delivery.api.serializers.dead_letters import (
    DeadLetterJobCreateSerializer,
    DeadLetterJobSerializer,
    DeadLetterSelectionSerializer,
)
from delivery.models import DeadLetterJob, Replay
from delivery.reading import queries
from delivery.replaying import closing
from delivery.replaying.replay_filter import ReplayFilter
from subscriptions.api.authentication import principal
from subscriptions.api.tenancy import tenant_of
from subscriptions.models import Scope, Tenant
from webhooks.kit.rest.jobs import cancel_job
from webhooks.kit.rest.resources import ReadOnlyResource
from webhooks.kit.rest.selection import SelectionCountSerializer


class DeadLetterJobView(FilteredJobView[DeadLetterJob]):
    """A view over the jobs of the request's tenant."""

    queryset = DeadLetterJob.objects.all()
    serializer_class = DeadLetterJobSerializer

    def rows(self, tenant_id: UUID | None) -> QuerySet[DeadLetterJob]:
        return queries.below(tenant_id, DeadLetterJob.objects.all())


class DeadLetterJobs(DeadLetterJobView, ReadOnlyResource[DeadLetterJob]):
    """Jobs on dead letters, newest first."""

    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "list": ("List dead letter jobs", "Returns jobs that discard or acknowledge dead letters, newest first."),
        "create": (
            "Discard or acknowledge dead letters",
            "Discards or acknowledges the dead letters that match `filter`. Runs in the background; read its progress "
            "with *Get a dead letter job*. Dead letters that are closed already are left as they are.",
        ),
        "retrieve": ("Get a dead letter job", "Returns one job with its progress."),
    }
    required_permissions = {"POST": "delivery.change_deadletter"}

    query_params = DeadLetterJobFilters

    @extend_schema(request=DeadLetterJobCreateSerializer, responses={201: DeadLetterJobSerializer})
    def create(self, request: Request) -> Response:
        tenant = tenant_of(request)
        fields = self.body(DeadLetterJobCreateSerializer)
        selected = _filter(request, tenant, fields)
        by = principal(request).label
        created = closing.start(tenant, fields["operation"], selected, by=by, note=fields["note"])
        return Response(DeadLetterJobSerializer(created).data, status=status.HTTP_201_CREATED)


class DeadLetterJobPreview(DeadLetterJobView):
    """Count the dead letters that a job would change."""

    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "post": (
            "Preview a dead letter job",
            "Counts the dead letters that a job with this filter would change, without changing anything.",
        )
    }

    required_scopes = {"POST": Scope.READ}

    @extend_schema(
        operation_id="preview_dead_letter_job",
        request=DeadLetterSelectionSerializer,
        responses={200: SelectionCountSerializer},
    )
    def post(self, request: Request) -> Response:
        tenant = tenant_of(request)
        fields = self.body(DeadLetterSelectionSerializer)
        counted = closing.preview(tenant, fields["operation"], _filter(request, tenant, fields))
        return Response({"total": counted.total, "is_lower_bound": counted.is_lower_bound})


class DeadLetterJobCancel(DeadLetterJobView):
    """Cancel a job; what it has done stays."""

    operations = {
        "post": (
            "Cancel a dead letter job",
            "Stops a job; what it has discarded or acknowledged stays so. Idempotent; 409 if it has finished.",
        ),
    }
    reads_body = False
    required_permissions = {"POST": "delivery.change_deadletterjob"}

    @extend_schema(operation_id="cancel_dead_letter_job", request=None, responses={200: DeadLetterJobSerializer})
    def post(self, request: Request, ref: str) -> Response:
        return Response(self.get_serializer(cancel_job(self.get_object(), closing.cancel)).data)


def _filter(request: Request, tenant: Tenant, fields: dict[str, Any]) -> ReplayFilter:
    """Read the filter of a request. Raises ValidationError with the name of the filter's field."""
    with filter_errors():
        return of_own_endpoint(request, read_row_filter(tenant, fields["filter"], Replay.Scope.DEAD_LETTERS))
