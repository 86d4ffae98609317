"""Explain why an event was or was not delivered, for every endpoint of its tenant."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.filters.fields import RowField
from delivery.api.publishing.event_refs import require_event
from delivery.models import DeadLetter, Delivery
from delivery.reading import queries
from delivery.reading.explain import DEFERRED, NOT_SENT, endpoints_for, explain, why_nowhere
from delivery.reading.requests.shaping import ENDPOINT, EVENT_TYPE
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Endpoint, Subscription
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.pages import CursorPages
from webhooks.kit.rest.query_params import QueryParams
from webhooks.kit.rest.resources import ListView
from webhooks.wire.masking.masks import ACTIONS

OUTCOMES = [*Delivery.State.choices, (NOT_SENT, "Not sent"), (DEFERRED, "Not routed yet")]


class PatternMismatchSerializer(serializers.Serializer[Any]):
    """A field of an event that does not match a pattern."""

    path = serializers.CharField(help_text="Path of the field, with dots: `data.total`; empty: the whole event.")
    expected = serializers.ListField(
        child=serializers.JSONField(), help_text="What the pattern allows there: values and conditions."
    )
    found = serializers.ListField(
        child=serializers.JSONField(), help_text="Values of the event there; empty if the field is missing."
    )
    reason = serializers.CharField(help_text="Why they do not match, in words.")


class ShownMaskSerializer(serializers.Serializer[Any]):
    """A mask that applies to an event on its way to an endpoint."""

    path = serializers.CharField(help_text="Path of the values.")
    action = serializers.ChoiceField(ACTIONS, help_text="What is done with them.")
    by = serializers.ChoiceField([EVENT_TYPE, ENDPOINT], help_text="Whose mask it is.")


class ExplanationReasonSerializer(serializers.Serializer[Any]):
    """A reason why an event was, or was not, sent to an endpoint, or is still waiting."""

    code = serializers.CharField(
        help_text="Reason as a code. Not sent: `no_subscription`, `type`, `pattern`, `inactive`, `created_later`, "
        "`changed_later`, `endpoint_created_later`, `unknown`, `cancelled`. Waiting: `deferred`, `paused`, `disabled`, "
        "`unverified`, `pause_requested`, `circuit_open`, `scheduled`, `blocked`, `rate_limit`, `queued`. Of "
        "invocation records: `named`, `result`, `result_pending`. Of events of other tenants: `shared`, `grant`. "
        "Otherwise the state of the delivery, or the cause of its dead letter.",
    )
    detail = serializers.CharField(help_text="Reason in words.")
    subscription = serializers.SerializerMethodField(
        help_text="Id of the subscription that the reason is about; null: none."
    )
    mismatches = PatternMismatchSerializer(
        many=True, help_text="With the code `pattern`: where the pattern does not match."
    )

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_subscription(self, reason: Any) -> str | None:
        row: Subscription | None = reason.subscription
        return None if row is None else row.public_id


class ExplanationSerializer(serializers.Serializer[Any]):
    """The outcome of an event at one endpoint, with the reasons."""

    endpoint = IdField(Endpoint.prefix, source="endpoint.id", help_text="Id of the endpoint.")
    url = serializers.CharField(
        source="endpoint.address", help_text="URL of the endpoint, or the address of another system."
    )
    endpoint_state = serializers.CharField(
        source="endpoint.state", help_text="State of the endpoint: `active`, `paused`, `disabled` or `unverified`."
    )
    outcome = serializers.ChoiceField(
        OUTCOMES,
        help_text="State of the delivery, or `not_sent` if the event was not sent to the endpoint, or `deferred` while "
        "a worker has to match it with the subscriptions, also because it waits for its `deliver_at`.",
    )
    delivery = serializers.SerializerMethodField(help_text="Id of the delivery; null: none.")
    reasons = ExplanationReasonSerializer(many=True, help_text="Why the outcome is what it is.")
    masks = ShownMaskSerializer(
        many=True,
        help_text="Masks that apply now to events of this type on their way to the endpoint: those of the type unless "
        "the endpoint receives events unmasked, and its own.",
    )
    more_reasons = serializers.IntegerField(help_text="Number of further reasons that are not shown.")

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_delivery(self, explanation: Any) -> str | None:
        row: Delivery | None = explanation.delivery
        return None if row is None else row.public_id


class ExplanationPages(CursorPages):
    """Pages that say why an event was sent nowhere, where that does not depend on a single endpoint."""

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        page = super().get_paginated_response_schema(schema)
        text = "Why the event was sent nowhere, if the tenant has no endpoints or no subscriptions; otherwise null."
        page["properties"]["message"] = {"type": ["string", "null"], "description": text}
        return {**page, "required": [*page["required"], "message"]}


class ExplanationParams(QueryParams):
    """Choose the endpoint."""

    endpoint = RowField(queries.endpoints, help_text="Explain only this endpoint: id or `uid`.")


@extend_schema_view(get=extend_schema(operation_id="explain_event"))
class EventExplanation(TenantScoped[Endpoint], ListView[Endpoint]):
    """Explain for each endpoint of the tenant, newest first, why the event was or was not delivered."""

    expensive = ("GET",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "get": (
            "Explain an event's routing",
            "Returns, for every endpoint of the tenant, whether the event was sent to it and what became of "
            "it, or the first reason why not: state, event type, pattern. `message` says it in words if the tenant has "
            "no endpoints or no subscriptions.",
        ),
    }

    queryset = Endpoint.objects.all()
    payload_fields = (
        "reasons.mismatches.found",
        f"reasons.detail?code={DeadLetter.Cause.TRANSFORMATION_FAILED.value}",  # the error of a transformer
    )
    pagination_class = ExplanationPages
    serializer_class = ExplanationSerializer
    query_params = ExplanationParams

    def select(self, tenant_id: UUID | None, **arguments: Any) -> QuerySet[Endpoint]:
        rows = queries.events(tenant_id).defer(None).defer("original", "digest")
        self.event = self.subject = require_event(rows, self.kwargs["ref"], tenant_id=tenant_id)
        endpoints = endpoints_for(self.event)
        return endpoints.filter(pk=arguments["endpoint"].pk) if "endpoint" in arguments else endpoints

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filtered_rows())
        explained = explain(self.event, page or [])
        response = self.get_paginated_response(self.get_serializer(explained, many=True).data)
        response.data["message"] = why_nowhere(self.event)
        return response
