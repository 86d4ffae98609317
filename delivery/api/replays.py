"""Serve replays: preview, create, show the progress, cancel."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.filters.lists import ReplayFilters
from delivery.api.filters.row_filters import FilteredJobView, filter_errors, of_own_endpoint, read_row_filter
from delivery.api.serializers.replays import (
    ReplayCreateSerializer,
    ReplayDetailSerializer,
    ReplayPreviewSerializer,
    ReplaySelectionSerializer,
    ReplaySerializer,
)
from delivery.models import Replay
from delivery.reading import queries
from delivery.replaying import replays
from delivery.replaying.preview import describe
from delivery.replaying.replay_status import warnings_before, warnings_of
from subscriptions.api.authentication import principal
from subscriptions.api.tenancy import tenant_of
from subscriptions.models import Scope, Tenant
from webhooks.kit.rest.jobs import cancel_job
from webhooks.kit.rest.resources import ReadOnlyResource


class ReplayView(FilteredJobView[Replay]):
    """A view over the replays of the request's tenant."""

    queryset = Replay.objects.all()
    serializer_class = ReplaySerializer

    def rows(self, tenant_id: UUID | None) -> QuerySet[Replay]:
        return queries.replays(tenant_id)


class Replays(ReplayView, ReadOnlyResource[Replay]):
    """Replays, newest first."""

    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "list": ("List replays", "Returns replays, newest first, with their progress."),
        "create": (
            "Create a replay",
            "Sends dead letters, or past events, again: those that match `filter`, at `rate` deliveries per "
            "second. Runs in the background; read its progress with *Get a replay*. Each delivery is replayed "
            "at most once per replay, with its original bytes and `webhook-id`.",
        ),
        "retrieve": (
            "Get a replay",
            "Returns one replay with its progress, and what became of its deliveries: how many are delivered, dead or "
            "waiting, and which endpoints do not get theirs now.",
        ),
    }

    query_params = ReplayFilters

    @extend_schema(responses={200: ReplayDetailSerializer})
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        return super().retrieve(request, *args, **kwargs)

    def shown(self, row: Replay) -> Response:
        row.warnings = warnings_of(row)  # type: ignore[attr-defined]
        return Response(ReplayDetailSerializer(row).data)

    @extend_schema(request=ReplayCreateSerializer, responses={201: ReplayDetailSerializer})
    def create(self, request: Request) -> Response:
        tenant = tenant_of(request)
        fields = self.body(ReplayCreateSerializer)
        with filter_errors():
            selected = read_filter(request, tenant, fields)
            created = replays.start(tenant, selected, rate=fields["rate"], by=principal(request).label)
        created.warnings = warnings_before(tenant, selected)  # type: ignore[attr-defined]
        return Response(ReplayDetailSerializer(created).data, status=status.HTTP_201_CREATED)


class ReplayPreview(ReplayView):
    """Count the deliveries that a replay would send."""

    is_audited = False
    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "post": ("Preview a replay", "Counts what a replay with this filter would send, without sending anything.")
    }

    required_scopes = {"POST": Scope.READ}

    @extend_schema(
        operation_id="preview_replay", request=ReplaySelectionSerializer, responses={200: ReplayPreviewSerializer}
    )
    def post(self, request: Request) -> Response:
        tenant = tenant_of(request)
        fields = self.body(ReplaySelectionSerializer)
        with filter_errors():
            selected = read_filter(request, tenant, fields)
            counted = replays.preview(tenant, selected)
        preview = {**counted._asdict(), **describe(tenant, selected)._asdict()}
        return Response(ReplayPreviewSerializer({**preview, "warnings": warnings_before(tenant, selected)}).data)


class ReplayCancel(ReplayView):
    """Cancel a replay; deliveries that are re-queued already are sent."""

    operations = {
        "post": (
            "Cancel a replay",
            "Stops a replay; deliveries it has already queued still go out. Idempotent; 409 if it has finished.",
        ),
    }
    reads_body = False
    required_permissions = {"POST": "delivery.change_replay"}

    @extend_schema(operation_id="cancel_replay", request=None, responses={200: ReplaySerializer})
    def post(self, request: Request, ref: str) -> Response:
        return Response(self.get_serializer(cancel_job(self.get_object(), replays.cancel)).data)


def read_filter(request: Request, tenant: Tenant, fields: dict[str, Any]) -> replays.ReplayFilter:
    """Read the filter of a request. Raises ValueError with the field's name first."""
    return of_own_endpoint(request, read_row_filter(tenant, fields["filter"], fields["scope"]))
