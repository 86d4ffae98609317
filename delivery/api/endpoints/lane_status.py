"""The lane of an endpoint: how fast it goes, what waits, what blocks."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.rows import Single
from delivery.api.serializers import IdField
from delivery.models import Delivery
from delivery.reading import queries
from delivery.reading.lane_status import Standing, standing
from subscriptions.models import Endpoint

__all__ = ["EndpointLane"]


class BlockerSerializer(serializers.Serializer[Any]):
    """The head of an order key that waits for its next attempt. Skip it (cancel), retry it now, or park it."""

    key = serializers.CharField()
    delivery = IdField(Delivery.prefix, source="delivery_id")
    attempts = serializers.IntegerField()
    next_attempt_at = serializers.DateTimeField()
    last_status = serializers.IntegerField(allow_null=True)
    last_error = serializers.CharField()


class BreakerSerializer(serializers.Serializer[Standing]):
    """``open``: nothing goes until ``open_until``; ``half_open``: one probe at a time decides."""

    state = serializers.ChoiceField(["closed", "open", "half_open"], source="breaker")
    failures = serializers.IntegerField(help_text="In a row.")
    failing_since = serializers.DateTimeField(allow_null=True)
    trips = serializers.IntegerField(help_text="Since the last success.")
    open_until = serializers.DateTimeField(source="tripped_until", allow_null=True)


class LaneSerializer(serializers.Serializer[Standing]):
    """How the queue of an endpoint stands."""

    state = serializers.ChoiceField(["idle", "due", "leased", "parked", "tripped"])
    endpoint_state = serializers.ChoiceField(Endpoint.State.choices)
    due_at = serializers.DateTimeField(allow_null=True, help_text="When somebody looks at it next.")
    effective_rate = serializers.FloatField(
        allow_null=True, help_text="Attempts a second it may have at present; null: nothing is known yet."
    )
    rate_limit = serializers.FloatField(allow_null=True, help_text="Attempts a second, at most; null: no limit.")
    window = serializers.IntegerField(help_text="Attempts under way at once, as the endpoint can take them at present.")
    max_in_flight = serializers.IntegerField()
    sending = serializers.IntegerField()
    backlog = serializers.IntegerField(help_text="Pending deliveries, counted up to 10,000.")
    backlog_is_more = serializers.BooleanField()
    oldest_due_at = serializers.DateTimeField(allow_null=True)
    breaker = BreakerSerializer(source="*")
    ordering = serializers.CharField(help_text="Empty: in no order.")
    blockers = BlockerSerializer(many=True, help_text="At most 20, the longest to wait first.")


class EndpointLane(Single[Endpoint]):
    """The lane of one endpoint."""

    def rows(self, tenant_id: UUID | None) -> QuerySet[Endpoint]:
        return queries.endpoints(tenant_id, self.kwargs["ref"]).filter(deleted_at=None)

    @extend_schema(responses={200: LaneSerializer}, operation_id="get_endpoint_lane")
    def get(self, request: Request, ref: str) -> Response:
        """Its state, its pace, its breaker, its backlog, and the deliveries that block others."""
        return Response(LaneSerializer(standing(self.get_object())).data)
