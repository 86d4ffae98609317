"""Serve replays: preview, create, show the progress, cancel."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from delivery.api.query_params import ReplayQuery
from delivery.api.rows import Page, Single
from delivery.api.serializers import (
    ReplayCreateSerializer,
    ReplayPreviewSerializer,
    ReplaySelectionSerializer,
    ReplaySerializer,
)
from delivery.models import Replay
from delivery.reading import list_filters, queries
from delivery.replaying import replays
from subscriptions.api.authentication import Principal
from subscriptions.api.tenancy import Conflict, tenant_of
from subscriptions.models import Scope, Tenant

__all__ = ["ReplayCancel", "ReplayDetail", "ReplayPreview", "Replays"]


class Replays(Page[Replay]):
    """Replays, newest first."""

    serializer_class = ReplaySerializer
    query = ReplayQuery
    conditions = list_filters.REPLAYS

    def rows(self, tenant_id: UUID | None, **asked: Any) -> QuerySet[Replay]:
        return queries.replays(tenant_id, **asked)

    @extend_schema(request=ReplayCreateSerializer, responses={201: ReplaySerializer})
    def post(self, request: Request) -> Response:
        """Create a replay of the dead letters or past events that match now. 201 with the number of deliveries."""
        tenant = tenant_of(request)
        body = ReplayCreateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        requester = cast(Principal, request.auth)
        rate = body.validated_data["rate"]
        with filter_errors():
            created = replays.start(tenant, read_filter(tenant, body.validated_data), rate=rate, by=requester.label)
        return Response(ReplaySerializer(created).data, status=status.HTTP_201_CREATED)


class ReplayPreview(APIView):
    """Count the deliveries that a replay would send."""

    required_scopes = {"POST": Scope.READ}

    @extend_schema(request=ReplaySelectionSerializer, responses={200: ReplayPreviewSerializer})
    def post(self, request: Request) -> Response:
        """Count the deliveries that match now, without changing anything."""
        tenant = tenant_of(request)
        body = ReplaySelectionSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        with filter_errors():
            total, estimated = replays.preview(tenant, read_filter(tenant, body.validated_data))
        return Response({"total": total, "estimated": estimated})


class ReplayDetail(Single[Replay]):
    """One replay and its progress."""

    serializer_class = ReplaySerializer

    def rows(self, tenant_id: UUID | None) -> QuerySet[Replay]:
        return queries.replays(tenant_id)

    def get(self, request: Request, ref: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)


class ReplayCancel(ReplayDetail):
    """Cancel a replay; deliveries that are re-queued already are sent."""

    http_method_names = ["post", "options"]

    @extend_schema(request=None, responses={200: ReplaySerializer})
    def post(self, request: Request, ref: str) -> Response:
        """Cancel this replay. Idempotent; 409 if it has finished."""
        row = self.get_object()
        replays.cancel(row)
        row.refresh_from_db()
        if row.state == Replay.State.FINISHED:
            raise Conflict({"state": ["Already finished; it cannot be cancelled."]})
        return Response(self.get_serializer(row).data)


def read_filter(tenant: Tenant, body: dict[str, Any]) -> replays.ReplayFilter:
    """Read the filter of a request. Raises ValueError with the field's name first."""
    return replays.ReplayFilter.parse(body["filter"], body["scope"], tenant)


@contextmanager
def filter_errors() -> Iterator[None]:
    """Turn a ValueError of a filter into a validation error of its field."""
    try:
        yield
    except ValueError as error:
        field, reason = error.args
        raise ValidationError({"filter": {field: [reason]}}) from error
