"""Take the reports of consumers about the messages that they were handed out."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, NotFound, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.pulling.pull_params import check_is_pulled
from delivery.models import Delivery
from delivery.pulling.reports import RESULTS, FailedReport, Report, apply_report
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Endpoint, Scope
from subscriptions.routing.targets import load_targets
from webhooks.kit.rest.fields.json_values import ListField
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import IntegerField, MultilineTextField
from webhooks.kit.rest.serializers import StrictSerializer
from webhooks.wire.ids import public

MAX_REPORTED = 1_000  # messages in one request
MAX_REASON = 4_096  # characters
LONGEST_RETRY_AFTER = 86_400  # seconds


class FailedMessageSerializer(StrictSerializer):
    """A message that could not be processed."""

    id = IdField(Delivery.prefix, help_text="Id of the message.")
    reason = MultilineTextField(
        required=False,
        default="",
        allow_blank=True,
        max_length=MAX_REASON,
        help_text="Why, for people; it is recorded as the response of the attempt.",
    )
    attempt = IntegerField(
        required=False,
        min_value=1,
        help_text="`attempt` of the message: the report is ignored if another attempt has begun. Default: any.",
    )
    retry_after = IntegerField(
        required=False,
        min_value=0,
        max_value=LONGEST_RETRY_AFTER,
        help_text="Seconds before which it is not handed out again; the retry plan may make it later.",
    )


class AcknowledgementsSerializer(StrictSerializer):
    """The reports of a consumer about messages. At least one list must not be empty."""

    acknowledged = ListField(
        child=IdField(Delivery.prefix),
        required=False,
        default=list,
        max_length=MAX_REPORTED,
        help_text="Ids of messages that were processed: they are delivered.",
    )
    failed = ListField(
        child=FailedMessageSerializer(),
        required=False,
        default=list,
        max_length=MAX_REPORTED,
        help_text="Messages that could not be processed: they are handed out again by the retry plan.",
    )
    extended = ListField(
        child=IdField(Delivery.prefix),
        required=False,
        default=list,
        max_length=MAX_REPORTED,
        help_text="Ids of messages that are still being processed: their visibility timeout begins anew.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        ids = [*attrs["acknowledged"], *(it["id"] for it in attrs["failed"]), *attrs["extended"]]
        if not ids:
            raise ValidationError({"acknowledged": [ErrorDetail("Name at least one message in a list.", "required")]})
        if len(ids) > MAX_REPORTED:
            raise ValidationError({"acknowledged": [f"At most {MAX_REPORTED} messages in all lists together."]})
        return attrs


class ReportResultSerializer(serializers.Serializer[Any]):
    """The result of a report about one message."""

    id = IdField(Delivery.prefix, help_text="Id of the message.")
    result = serializers.ChoiceField(RESULTS, help_text="What the report has changed.")


class ReportResultsSerializer(serializers.Serializer[Any]):
    """The results of the reports, in their order."""

    results = ReportResultSerializer(many=True, help_text="One for each message.")


class Acknowledgements(TenantScoped[Endpoint]):
    """Reports about the messages of one pulled endpoint."""

    operations = {
        "post": (
            "Acknowledge messages",
            "Reports which messages a consumer has processed, which have failed and why, and which it is still "
            "processing. Up to 1,000 at once; each has its own result. Idempotent: an acknowledgement also counts "
            "after the visibility timeout. 409 for an endpoint of another type than `poll`.",
        ),
    }
    required_scopes = {"POST": Scope.CONSUME}
    required_permissions = {"POST": "delivery.change_delivery"}
    is_audited = False  # the attempts of each delivery say what was reported
    queryset = Endpoint.objects.filter(deleted_at=None)
    endpoint_path = "pk"
    serializer_class: type[serializers.Serializer[Any]] = AcknowledgementsSerializer

    @extend_schema(
        operation_id="acknowledge_messages",
        request=AcknowledgementsSerializer,
        responses={200: ReportResultsSerializer},
    )
    def post(self, request: Request, ref: str) -> Response:
        endpoint = self.get_object()
        report = _report(self.body())
        check_is_pulled(endpoint)
        target = load_targets([endpoint.pk]).get(endpoint.pk)
        if target is None:
            raise NotFound
        results = apply_report(endpoint, target, report)
        order = [*report.acknowledged, *(it.delivery_id for it in report.failed), *report.extended]
        keys: list[UUID] = list(dict.fromkeys(order))
        return Response({"results": [{"id": public(Delivery.prefix, key), "result": results[key]} for key in keys]})


def _report(fields: dict[str, Any]) -> Report:
    failed = [
        FailedReport(it["id"], it.get("reason", ""), it.get("attempt"), it.get("retry_after"))
        for it in fields["failed"]
    ]
    return Report(fields["acknowledged"], failed, fields["extended"])
