"""Serve the status of an endpoint: its queue, rate and circuit breaker, and what blocks its order keys."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.models import Delivery
from delivery.reading.lane_status import LaneStatus, lane_status
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Endpoint
from webhooks.kit.rest.serializers import IdField


class BlockerSerializer(serializers.Serializer[Any]):
    """The first delivery of an order key, which failed and waits; cancel it, retry it, or set it aside."""

    key = serializers.CharField(help_text="The order key.")
    delivery = IdField(Delivery.prefix, source="delivery_id")
    attempts = serializers.IntegerField(help_text="Attempts made so far.")
    next_attempt_at = serializers.DateTimeField()
    last_status = serializers.IntegerField(allow_null=True, help_text="HTTP status of the last attempt.")
    last_error = serializers.CharField(help_text="Class of the last failure.")


class CircuitBreakerSerializer(serializers.Serializer[LaneStatus]):
    """The circuit breaker of an endpoint."""

    state = serializers.ChoiceField(
        ["closed", "open", "half_open"],
        source="breaker",
        help_text="open: sending is paused until open_until; half_open: one attempt at a time decides.",
    )
    failures = serializers.IntegerField(help_text="Failed attempts in a row.")
    failing_since = serializers.DateTimeField(allow_null=True, help_text="When the first of them failed.")
    open_count = serializers.IntegerField(help_text="Times it opened since the last success.")
    open_until = serializers.DateTimeField(
        source="circuit_open_until", allow_null=True, help_text="Sending is paused until then."
    )


class EndpointStatusSerializer(serializers.Serializer[LaneStatus]):
    """The queue of an endpoint, and how fast it is processed."""

    state = serializers.ChoiceField(
        ["idle", "ready", "active", "endpoint_inactive", "circuit_open"],
        help_text="idle: nothing is due; ready: waiting for a worker; active: a worker processes it; "
        "endpoint_inactive: deliveries wait, because the endpoint is paused or disabled; "
        "circuit_open: sending is paused after failures.",
    )
    endpoint_state = serializers.ChoiceField(Endpoint.State.choices)
    due_at = serializers.DateTimeField(allow_null=True, help_text="When a worker can take the queue next.")
    effective_rate = serializers.FloatField(
        allow_null=True, help_text="Attempts per second that are possible now; null: unknown."
    )
    rate_limit = serializers.FloatField(allow_null=True, help_text="Attempts per second, at most; null: no limit.")
    concurrency = serializers.IntegerField(help_text="Attempts that may be in flight at once now.")
    max_in_flight = serializers.IntegerField(help_text="Upper limit of the concurrency.")
    sending = serializers.IntegerField(help_text="Attempts in flight.")
    backlog = serializers.IntegerField(help_text="Pending deliveries, counted up to 10,000.")
    backlog_is_lower_bound = serializers.BooleanField(help_text="Whether there are more than `backlog`.")
    oldest_due_at = serializers.DateTimeField(allow_null=True, help_text="Due time of the oldest pending delivery.")
    circuit_breaker = CircuitBreakerSerializer(source="*")
    ordering = serializers.CharField(help_text="What deliveries are ordered by; empty: not ordered.")
    blockers = BlockerSerializer(many=True, help_text="At most 20, the longest wait first.")


class EndpointStatus(TenantScoped[Endpoint]):
    """The status of one endpoint."""

    operations = {
        "get": (
            "Get an endpoint's delivery status",
            "Returns how deliveries to this endpoint are going: its state, rate, concurrency, circuit breaker "
            "and backlog, and for ordered endpoints the deliveries that block others.",
        ),
    }

    queryset = Endpoint.objects.filter(deleted_at=None)
    serializer_class: type[serializers.Serializer[Any]] = EndpointStatusSerializer

    @extend_schema(responses={200: EndpointStatusSerializer}, operation_id="get_endpoint_status")
    def get(self, request: Request, ref: str) -> Response:
        return Response(EndpointStatusSerializer(lane_status(self.get_object())).data)
