"""Serve replays: preview, create, show the progress, cancel."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.filters import ReplayFilters, filter_errors, read_row_filter
from delivery.api.serializers.replays import (
    ReplayCreateSerializer,
    ReplayPreviewSerializer,
    ReplaySelectionSerializer,
    ReplaySerializer,
)
from delivery.models import Replay
from delivery.reading import queries
from delivery.replaying import replays
from subscriptions.api.authentication import principal
from subscriptions.api.tenancy import TenantScoped, tenant_of
from subscriptions.models import Scope, Tenant
from webhooks.kit.rest.errors import Conflict
from webhooks.kit.rest.resources import ReadOnlyResource


class ReplayView(TenantScoped[Replay]):
    """A view over the replays of the request's tenant."""

    queryset = Replay.objects.all()
    serializer_class = ReplaySerializer

    def rows(self, tenant_id: UUID | None) -> QuerySet[Replay]:
        return queries.replays(tenant_id)


class Replays(ReplayView, ReadOnlyResource[Replay]):
    """Replays, newest first."""

    expensive = ("POST",)  # read by config.api.expensive_requests
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
            "Returns one replay with its progress: how many were selected, re-queued, delivered and failed.",
        ),
    }

    query_params = ReplayFilters

    @extend_schema(request=ReplayCreateSerializer, responses={201: ReplaySerializer})
    def create(self, request: Request) -> Response:
        tenant = tenant_of(request)
        fields = self.body(ReplayCreateSerializer)
        with filter_errors():
            created = replays.start(
                tenant, read_filter(tenant, fields), rate=fields["rate"], by=principal(request).label
            )
        return Response(ReplaySerializer(created).data, status=status.HTTP_201_CREATED)


class ReplayPreview(ReplayView):
    """Count the deliveries that a replay would send."""

    expensive = ("POST",)  # read by config.api.expensive_requests
    operations = {
        "post": ("Preview a replay", "Counts what a replay with this filter would send, without sending anything.")
    }

    required_scopes = {"POST": Scope.READ}

    @extend_schema(request=ReplaySelectionSerializer, responses={200: ReplayPreviewSerializer})
    def post(self, request: Request) -> Response:
        tenant = tenant_of(request)
        fields = self.body(ReplaySelectionSerializer)
        with filter_errors():
            counted = replays.preview(tenant, read_filter(tenant, fields))
        return Response(counted._asdict())


class ReplayCancel(ReplayView):
    """Cancel a replay; deliveries that are re-queued already are sent."""

    operations = {
        "post": (
            "Cancel a replay",
            "Stops a replay; deliveries it has already queued still go out. Idempotent; 409 if it has finished.",
        ),
    }

    @extend_schema(request=None, responses={200: ReplaySerializer})
    def post(self, request: Request, ref: str) -> Response:
        row = self.get_object()
        replays.cancel(row)
        row.refresh_from_db()
        if row.state == Replay.State.FINISHED:
            raise Conflict({"state": ["Already finished; it cannot be cancelled."]})
        return Response(self.get_serializer(row).data)


def read_filter(tenant: Tenant, fields: dict[str, Any]) -> replays.ReplayFilter:
    """Read the filter of a request. Raises ValueError with the field's name first."""
    return read_row_filter(tenant, fields["filter"], fields["scope"])
