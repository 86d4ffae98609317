"""Explain why an event was or was not delivered, for every endpoint of its tenant."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.filters import RowField
from delivery.models import Delivery
from delivery.reading import queries
from delivery.reading.explain import NOT_SENT, endpoints_for, explain
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Endpoint, Subscription
from webhooks.kit.rest.lookup import require
from webhooks.kit.rest.query_params import QueryParams
from webhooks.kit.rest.resources import ListView
from webhooks.kit.rest.serializers import IdField


class MismatchSerializer(serializers.Serializer[Any]):
    """A field in which an event does not match a pattern: its dotted `path`, what is expected and what was found."""

    path = serializers.CharField()
    expected = serializers.ListField(child=serializers.JSONField())
    found = serializers.ListField(child=serializers.JSONField())
    reason = serializers.CharField()


class ReasonSerializer(serializers.Serializer[Any]):
    """A reason why an event was or was not delivered.

    `code` is one of `type`, `pattern`, `inactive`, `created_later`, `changed_later`, `no_subscription`,
    `endpoint_created_later`, `paused`, `disabled`, `circuit_open`, `scheduled`, `queued`, a state, or the cause of a
    dead letter.
    """

    code = serializers.CharField()
    detail = serializers.CharField()
    subscription = serializers.SerializerMethodField(help_text="The subscription that the reason is about, if any.")
    mismatches = MismatchSerializer(many=True)

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_subscription(self, reason: Any) -> str | None:
        row: Subscription | None = reason.subscription
        return None if row is None else row.public_id


class ExplanationSerializer(serializers.Serializer[Any]):
    """The explanation for one endpoint. `outcome` is the state of the delivery, or `not_sent`."""

    endpoint = IdField(Endpoint.prefix, source="endpoint.id")
    url = serializers.CharField(source="endpoint.address")
    endpoint_state = serializers.CharField(source="endpoint.state")
    outcome = serializers.ChoiceField([*Delivery.State.values, NOT_SENT])
    delivery = serializers.SerializerMethodField(help_text="The delivery; null if there is none.")
    reasons = ReasonSerializer(many=True)
    more_reasons = serializers.IntegerField(help_text="Number of further subscriptions that do not match.")

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_delivery(self, explanation: Any) -> str | None:
        row: Delivery | None = explanation.delivery
        return None if row is None else row.public_id


class ExplanationParams(QueryParams):
    """Choose the endpoint."""

    endpoint = RowField(queries.endpoints, help_text="Only this endpoint: its id or uid.")


@extend_schema_view(get=extend_schema(operation_id="explain_event"))
class EventExplanation(TenantScoped[Endpoint], ListView[Endpoint]):
    """Explain for each endpoint of the tenant, newest first, why the event was or was not delivered."""

    operations = {
        "get": (
            "Explain an event's routing",
            "Returns, for every endpoint of the tenant, whether the event was sent to it and what became of "
            "it, or the first reason why not: state, event type, pattern.",
        ),
    }

    queryset = Endpoint.objects.all()
    serializer_class = ExplanationSerializer
    query_params = ExplanationParams

    def select(self, tenant_id: UUID | None, **arguments: Any) -> QuerySet[Endpoint]:
        self.event = require(queries.events(tenant_id).defer(None).defer("digest"), self.kwargs["ref"])
        endpoints = endpoints_for(self.event)
        return endpoints.filter(pk=arguments["endpoint"].pk) if "endpoint" in arguments else endpoints

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filtered_rows())
        explained = explain(self.event, page or [])
        return self.get_paginated_response(self.get_serializer(explained, many=True).data)
