"""Serve broadcasts: preview, create, show the progress, cancel."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.publishing.publish_results import problem_of
from delivery.api.publishing.request_events import read_plain
from delivery.api.serializers.broadcasts import (
    BroadcastCreateSerializer,
    BroadcastSelectionSerializer,
    BroadcastSerializer,
)
from delivery.broadcasting import broadcasts
from delivery.models import Broadcast
from subscriptions.api.authentication import PlatformOnly, principal
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Scope
from webhooks.kit.rest.jobs import cancel_job
from webhooks.kit.rest.query_params import ChoiceFilter, QueryParams
from webhooks.kit.rest.resources import ReadOnlyResource
from webhooks.kit.rest.selection import SelectionCountSerializer
from webhooks.wire import json_text
from webhooks.wire.errors import InvalidEvent


class BroadcastFilters(QueryParams):
    """Filter broadcasts."""

    state = ChoiceFilter(Broadcast.State.choices, unindexed=True, help_text="State of the broadcast.")


class BroadcastView(TenantScoped[Broadcast]):
    """A view over the broadcasts of the platform, which belong to no tenant."""

    queryset = Broadcast.objects.all()
    serializer_class = BroadcastSerializer
    permission_classes = (PlatformOnly,)
    payload_fields = ("last_error",)  # which may quote the data of the event

    def rows(self, tenant_id: UUID | None) -> QuerySet[Broadcast]:
        return Broadcast.objects.defer("body")


class Broadcasts(BroadcastView, ReadOnlyResource[Broadcast]):
    """Broadcasts, newest first."""

    operations = {
        "list": ("List broadcasts", "Returns broadcasts, newest first, with their progress. Platform keys only."),
        "create": (
            "Create a broadcast",
            "Publishes one event for all tenants (`all`), or for those with some `labels`, at `rate` tenants per "
            "second. Runs in the background; read its progress with *Get a broadcast*. Each tenant gets an event of "
            "its own, with the same source and id. Platform keys only.",
        ),
        "retrieve": (
            "Get a broadcast",
            "Returns one broadcast with its progress: for how many tenants the event was published. Platform keys "
            "only.",
        ),
    }

    required_scopes = {"POST": Scope.PUBLISH}
    query_params = BroadcastFilters

    @extend_schema(request=BroadcastCreateSerializer, responses={201: BroadcastSerializer})
    def create(self, request: Request) -> Response:
        self.tenant_id()  # raises NotFound for a tenant that does not exist
        written = request._request.body  # read before it is parsed, so that the event's data stay as they were written
        fields = self.body(BroadcastCreateSerializer)
        try:
            created = broadcasts.start(
                read_event(written), selected_labels(fields), rate=fields["rate"], by=principal(request).label
            )
        except InvalidEvent as error:
            found = problem_of(error)
            raise ValidationError({"event": found.detail}) if isinstance(found, ValidationError) else found from None
        return Response(BroadcastSerializer(created).data, status=status.HTTP_201_CREATED)


class BroadcastPreview(BroadcastView):
    """Count the tenants of a broadcast."""

    is_audited = False
    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "post": (
            "Preview a broadcast",
            "Counts the tenants for which a broadcast would publish, without publishing. Platform keys only.",
        )
    }

    required_scopes = {"POST": Scope.READ}

    @extend_schema(
        operation_id="preview_broadcast",
        request=BroadcastSelectionSerializer,
        responses={200: SelectionCountSerializer},
    )
    def post(self, request: Request) -> Response:
        self.tenant_id()
        labels = selected_labels(self.body(BroadcastSelectionSerializer))
        return Response({"total": broadcasts.count(labels), "is_lower_bound": False})


class BroadcastCancel(BroadcastView):
    """Cancel a broadcast; what was published is sent."""

    operations = {
        "post": (
            "Cancel a broadcast",
            "Stops a broadcast; events that it has published still go out. Idempotent; 409 if it has finished. "
            "Platform keys only.",
        ),
    }
    reads_body = False

    required_scopes = {"POST": Scope.PUBLISH}
    required_permissions = {"POST": "delivery.change_broadcast"}

    @extend_schema(operation_id="cancel_broadcast", request=None, responses={200: BroadcastSerializer})
    def post(self, request: Request, ref: str) -> Response:
        return Response(self.get_serializer(cancel_job(self.get_object(), broadcasts.cancel)).data)


def selected_labels(fields: dict[str, Any]) -> dict[str, str]:
    """Return the labels of the tenants to select; empty: all tenants."""
    return dict(fields.get("labels") or {})


def read_event(body: bytes) -> dict[str, Any]:
    """Return the event in a body in the plain form, its data as they were written. Raises InvalidEvent."""
    document = json_text.read_object(body, keep="event")
    if not isinstance(document, dict) or not isinstance(document.get("event"), bytes):
        raise InvalidEvent("", "is not a JSON object")
    return read_plain(document["event"])
