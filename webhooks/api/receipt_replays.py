"""Serve replays of receipts: preview, create, show the progress, cancel."""

from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from webhooks.api.receipts import ReceiptFilters
from webhooks.api.serializers.receipt_replays import (
    ReceiptReplayCreateSerializer,
    ReceiptReplayDetailSerializer,
    ReceiptReplaySerializer,
    ReceiptSelectionSerializer,
)
from webhooks.api.tenancy import TenantScoped
from webhooks.kit.rest.jobs import cancel_job
from webhooks.kit.rest.query_params import ChoiceFilter, QueryParams
from webhooks.kit.rest.resources import ReadOnlyResource
from webhooks.kit.rest.selection import SelectionCountSerializer
from webhooks.models import ReceiptReplay, Source
from webhooks.processing import replays
from webhooks.processing.receipt_filter import ReceiptFilter
from webhooks.wire.ids import public


class ReceiptReplayView(TenantScoped[ReceiptReplay]):
    """A view over the replays of the request's tenant."""

    tenant_path = "tenant_id"
    queryset = ReceiptReplay.objects.all()
    serializer_class = ReceiptReplaySerializer

    def selected(self, body: dict[str, Any]) -> ReceiptFilter:
        """Return the filter of a body. Raises ValidationError for the field at fault."""
        filters = ReceiptFilters(data={"state": "dead", **body["filter"]}, context=self.get_serializer_context())
        if not filters.is_valid():
            raise ValidationError({"filter": filters.errors})
        given = filters.validated_data.items()
        names = {name: getattr(filters.fields[name], "condition_name", name) for name, _ in given}
        return ReceiptFilter({names[name]: _stored(name, value) for name, value in given})


class ReceiptReplayFilters(QueryParams):
    """Filter replays of receipts."""

    state = ChoiceFilter(ReceiptReplay.State.choices, unindexed=True, help_text="State of the replay.")


class ReceiptReplays(ReceiptReplayView, ReadOnlyResource[ReceiptReplay]):
    """Replays of receipts, newest first."""

    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "list": ("List replays of receipts", "Returns replays of receipts, newest first, with their progress."),
        "create": (
            "Create a replay of receipts",
            "Runs the handlers again on the receipts that match `filter` (default state: dead), source by source, "
            "oldest first, at `rate` receipts per second. Runs in the background; read its progress with *Get a "
            "replay of receipts*. Receipts that are pending, or were settled later, stay as they are.",
        ),
        "retrieve": (
            "Get a replay of receipts",
            "Returns one replay with its progress, and what became of its receipts: how many are processed, dead again "
            "or pending.",
        ),
    }
    required_permissions = {"POST": "webhooks.replay_receipt"}

    query_params = ReceiptReplayFilters

    @extend_schema(responses={200: ReceiptReplayDetailSerializer})
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        return super().retrieve(request, *args, **kwargs)

    def shown(self, row: ReceiptReplay) -> Response:
        return Response(ReceiptReplayDetailSerializer(row).data)

    @extend_schema(request=ReceiptReplayCreateSerializer, responses={201: ReceiptReplayDetailSerializer})
    def create(self, request: Request) -> Response:
        tenant_id = self.tenant_id()  # first: a tenant that is not the caller's is a 404, whatever the body
        fields = self.body(ReceiptReplayCreateSerializer)
        by = str(getattr(request.auth, "label", "") or request.user)
        created = replays.start(tenant_id, self.selected(fields), rate=fields["rate"], by=by)
        return Response(ReceiptReplayDetailSerializer(created).data, status=status.HTTP_201_CREATED)


class ReceiptReplayPreview(ReceiptReplayView):
    """Count the receipts that a replay would select."""

    is_audited = False
    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "post": (
            "Preview a replay of receipts",
            "Counts the receipts that a replay with this filter would run again, without changing anything.",
        ),
    }

    required_scopes = {"POST": "read"}

    @extend_schema(
        operation_id="preview_receipt_replay",
        request=ReceiptSelectionSerializer,
        responses={200: SelectionCountSerializer},
    )
    def post(self, request: Request) -> Response:
        tenant_id = self.tenant_id()
        counted = replays.preview(tenant_id, self.selected(self.body(ReceiptSelectionSerializer)))
        return Response(counted._asdict())


class ReceiptReplayCancel(ReceiptReplayView):
    """Cancel a replay; receipts that are due already are processed."""

    operations = {
        "post": (
            "Cancel a replay of receipts",
            "Stops a replay; the handlers still run on receipts that it has made due. Idempotent; 409 if it has "
            "finished.",
        ),
    }
    reads_body = False
    required_permissions = {"POST": "webhooks.change_receiptreplay"}

    @extend_schema(operation_id="cancel_receipt_replay", request=None, responses={200: ReceiptReplaySerializer})
    def post(self, request: Request, ref: str) -> Response:
        return Response(self.get_serializer(cancel_job(self.get_object(), replays.cancel)).data)


def _stored(name: str, value: Any) -> Any:
    """Return a value of the list's filters as a replay stores it."""
    if name == "source":
        return public(Source.prefix, value[0])
    return value.isoformat() if isinstance(value, datetime) else value
