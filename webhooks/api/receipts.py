"""Serve receipts: list and read, download a body, retry or replay one."""

from collections.abc import Collection
from typing import ClassVar

from django.db.models import OuterRef, Q, Subquery
from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response

from webhooks.api.filters import OfSourceFilters
from webhooks.api.serializers.receipts import ReceiptAttemptsSerializer, ReceiptSerializer
from webhooks.api.tenancy import TenantScoped
from webhooks.kit.bodies.payloads import may_see_payloads, record_look_at
from webhooks.kit.rest.errors import Conflict
from webhooks.kit.rest.query_params import BooleanFilter, ChoiceFilter, TextFilter
from webhooks.kit.rest.resources import ReadOnlyResource
from webhooks.models import Receipt, SourceSecret
from webhooks.processing.receipt_filter import CONDITIONS, is_unhandled, of_event_type, of_state, text_condition
from webhooks.processing.receipts import attempts_of, by_message_id
from webhooks.processing.replays import process_now, replay_now
from webhooks.receiving.body_preview import download_body
from webhooks.sources.source_stats import STATES

SHOWN = Receipt.objects.defer("body", "history").annotate(
    signer_name=Subquery(SourceSecret.objects.filter(id=OuterRef("secret_id")).values("name"))
)


PAYLOADS = ("headers", "last_error")  # an error of a handler may quote what it failed on
DIGESTS = ("sha256",)  # a guess of the body could be tested on it


class MessageTextFilter(TextFilter):
    """Filter by text in the labels of a message, and in its last error for callers who may see payloads."""

    @property
    def condition_name(self) -> str:
        """Return the name of the condition in the filter of a replay."""
        request = self.context["view"].request
        return text_condition(sees_payloads=may_see_payloads(request, Receipt._meta.app_label))

    def condition(self, value: str) -> Q:
        return CONDITIONS[self.condition_name](value)


class ReceiptFilters(OfSourceFilters):
    """Filter receipts."""

    state = ChoiceFilter(list(STATES), where=of_state, help_text="State of the receipt.")
    event_type = TextFilter(
        where=of_event_type,
        help_text="Event type of the message: one (`order.paid`), all below one (`order.*`), or all (`*`).",
    )
    message_id = TextFilter(where=by_message_id, help_text="The sender's id of the message, exact.")
    order_key = TextFilter(unindexed=True, help_text="Order key of the message, exact.")
    q = MessageTextFilter(
        unindexed=True,
        min_length=2,
        max_length=256,
        help_text="Text in the message id, event type, order key or last error, ignoring case.",
    )
    cause = ChoiceFilter(Receipt.Cause.choices, help_text="Why the receipt is dead.")
    out_of_order = BooleanFilter(help_text="Whether a later message of the same order key was handled before this one.")
    unhandled = BooleanFilter(
        where=is_unhandled,
        help_text="Whether it was processed and matched no handler, although its source has handlers.",
    )
    skipped = BooleanFilter(help_text="Whether it was not handled because it was out of order.")


class Receipts(TenantScoped[Receipt], ReadOnlyResource[Receipt]):
    """Stored messages, newest first."""

    operations = {
        "list": (
            "List receipts",
            "Returns stored messages, newest first. Filter by source, state, event type, message id, text or time.",
        ),
        "retrieve": (
            "Get a receipt",
            "Returns one receipt: its labels, headers without credentials, and how its handlers have got on.",
        ),
    }

    queryset = SHOWN
    payload_fields = PAYLOADS
    hidden_fields = DIGESTS
    serializer_class = ReceiptSerializer
    query_params = ReceiptFilters


class BelowReceipt(TenantScoped[Receipt]):
    """A view below one receipt, which ``get_object`` returns."""

    queryset = SHOWN
    payload_fields: ClassVar[Collection[str]] = PAYLOADS
    hidden_fields = DIGESTS
    serializer_class = ReceiptSerializer


class StorageUnavailable(APIException):
    """503: the storage of large bodies is unavailable."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_detail = "The storage of large bodies is unavailable; retry later."
    default_code = "unavailable"


class ReceiptBody(BelowReceipt):
    """The body of one receipt."""

    operations = {"get": ("Download a receipt's body", "Returns the message's body, byte for byte, as an attachment.")}
    required_permissions = {"GET": "webhooks.view_payload"}

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, ref: str) -> FileResponse:
        receipt = self.get_object()
        record_look_at(request, receipt)
        try:
            return download_body(receipt)
        except OSError as error:
            raise StorageUnavailable from error


class ReceiptAttempts(BelowReceipt):
    """The runs of the handlers of one receipt."""

    operations = {
        "get": (
            "List a receipt's attempts",
            "Returns the latest 20 runs of the receipt's handlers, newest first, each with its error and traceback. "
            "Runs before a replay are listed too.",
        )
    }
    payload_fields = ("error", "traceback", "steps.detail")

    @extend_schema(operation_id="list_receipt_attempts", responses={200: ReceiptAttemptsSerializer})
    def get(self, request: Request, ref: str) -> Response:
        return Response(ReceiptAttemptsSerializer({"data": attempts_of(self.get_object())}).data)


class OneReceiptReplay(BelowReceipt):
    """The replay of one receipt."""

    operations = {
        "post": (
            "Replay a receipt",
            "Runs the handlers again on one receipt that is processed or dead, with its whole retry plan, and returns "
            "it. A receipt that is pending stays as it is.",
        )
    }
    reads_body = False
    required_permissions = {"POST": "webhooks.replay_receipt"}

    @extend_schema(operation_id="replay_receipt", request=None, responses=ReceiptSerializer)
    def post(self, request: Request, ref: str) -> Response:
        replay_now([self.get_object()])
        return Response(self.get_serializer(self.get_object()).data)


class ReceiptRetry(BelowReceipt):
    """The next run of a receipt that waits for a retry."""

    operations = {
        "post": (
            "Retry a receipt now",
            "Runs the handlers at once on a receipt that waits for a retry, ahead of the retry plan, and returns it. "
            "409 if it is processed or dead: replay it.",
        )
    }
    reads_body = False
    required_permissions = {"POST": "webhooks.replay_receipt"}

    @extend_schema(operation_id="retry_receipt", request=None, responses=ReceiptSerializer)
    def post(self, request: Request, ref: str) -> Response:
        receipt = self.get_object()
        if not process_now(receipt):
            raise Conflict({"state": [f"Already {receipt.state}; replay it."]})
        return Response(self.get_serializer(self.get_object()).data)
