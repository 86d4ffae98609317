"""Replays: a preview that counts, a replay that one creates, its progress, and the way to stop it."""

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
from delivery.api.serializers import RedriveSerializer, ReplayPreviewSerializer, ReplaySerializer, WantedSerializer
from delivery.models import Replay
from delivery.reading import list_filters, queries
from delivery.replaying import replays
from subscriptions.api.authentication import Principal
from subscriptions.api.tenancy import Conflict, tenant_of
from subscriptions.models import Scope, Tenant

__all__ = ["ReplayCancel", "ReplayDetail", "ReplayPreview", "Replays"]


class Replays(Page[Replay]):
    """Replays, newest first; and the place where one is created."""

    serializer_class = ReplaySerializer
    query = ReplayQuery
    conditions = list_filters.REPLAYS

    def rows(self, tenant_id: UUID | None, **asked: Any) -> QuerySet[Replay]:
        return queries.replays(tenant_id, **asked)

    @extend_schema(request=RedriveSerializer, responses={201: ReplaySerializer})
    def post(self, request: Request) -> Response:
        """Send again what matches now: dead letters, or past events. 201 with how many deliveries those are."""
        tenant = tenant_of(request)
        asked = RedriveSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        asker = cast(Principal, request.auth)
        rate = asked.validated_data["rate"]
        with named():
            created = replays.replay(tenant, wanted(tenant, asked.validated_data), rate=rate, by=asker.label)
        return Response(ReplaySerializer(created).data, status=status.HTTP_201_CREATED)


class ReplayPreview(APIView):
    """How many deliveries a replay with this filter would send."""

    required_scopes = {"POST": Scope.READ}

    @extend_schema(request=WantedSerializer, responses={200: ReplayPreviewSerializer})
    def post(self, request: Request) -> Response:
        """Count, and change nothing."""
        tenant = tenant_of(request)
        asked = WantedSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        with named():
            total, estimated = replays.preview(tenant, wanted(tenant, asked.validated_data))
        return Response({"total": total, "estimated": estimated})


class ReplayDetail(Single[Replay]):
    """One replay and how far it has come."""

    serializer_class = ReplaySerializer

    def rows(self, tenant_id: UUID | None) -> QuerySet[Replay]:
        return queries.replays(tenant_id)

    def get(self, request: Request, ref: str) -> Response:
        return Response(self.get_serializer(self.get_object()).data)


class ReplayCancel(ReplayDetail):
    """Stop a replay; what it brought back stays brought back."""

    http_method_names = ["post", "options"]

    @extend_schema(request=None, responses={200: ReplaySerializer})
    def post(self, request: Request, ref: str) -> Response:
        """200 if it is cancelled now, by this or an earlier call; 409 if it had finished."""
        row = self.get_object()
        replays.cancel(row)
        row.refresh_from_db()
        if row.state == Replay.State.FINISHED:
            raise Conflict({"state": ["This replay has finished."]})
        return Response(self.get_serializer(row).data)


def wanted(tenant: Tenant, asked: dict[str, Any]) -> replays.Filter:
    """The filter of a request. Raises ValueError, the field's name first."""
    return replays.Filter.parse(asked["filter"], asked["of"], tenant)


@contextmanager
def named() -> Iterator[None]:
    """What a filter cannot mean is refused by the name of its field."""
    try:
        yield
    except ValueError as error:
        field, reason = error.args
        raise ValidationError({"filter": {field: [reason]}}) from error
