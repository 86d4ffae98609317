"""Serve the status of an endpoint: its queue, rate and circuit breaker, and what blocks its order keys; retry all."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.lifecycle.retry_endpoint import retry_endpoint
from delivery.models import Delivery
from delivery.reading.endpoint_health import EndpointHealth
from delivery.reading.lane_status import LaneStatus, lane_status
from delivery.reading.lanes_behind import WORDS, LaneBehind
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Endpoint
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.fields.scalars import ChoiceField

BREAKER_STATES = [
    ("closed", "Attempts are made as usual"),
    ("open", "Sending is paused until `open_until`"),
    ("half_open", "One attempt at a time decides whether sending resumes"),
]
QUEUE_STATES = [
    ("idle", "Nothing is due"),
    ("ready", "Deliveries are due and wait for a worker"),
    ("active", "A worker is sending"),
    ("pulled", "Deliveries wait until consumers fetch them"),
    ("endpoint_inactive", "Deliveries wait because the endpoint is not active"),
    ("circuit_open", "Sending is paused by the circuit breaker"),
    ("pause_requested", "Sending is paused until `waits_until`, as the endpoint asked with `Retry-After`"),
]
HEALTH_STATES = [
    ("healthy", "It accepts most deliveries"),
    ("rejecting", "It works, and rejects most deliveries with 3xx or 4xx; nothing is paused because of that"),
    ("failing", "It does not respond, or with 408, 429 or 5xx"),
    ("pause_requested", "It asked with `Retry-After` to be sent nothing for a while"),
    ("inactive", "Nothing is sent because it is paused, disabled or unverified"),
    ("unknown", "No attempt was delivered in the last 24 hours, or none was made"),
]


BEHIND_BECAUSE = [(reason.value, words) for reason, words in WORDS.items()]


class BehindSerializer(serializers.Serializer[LaneBehind]):
    """How far an endpoint is behind, and why."""

    due_since = serializers.DateTimeField(help_text="Since when the oldest of its deliveries has been due.")
    seconds = serializers.FloatField(help_text="The same in seconds.")
    because = serializers.ChoiceField(BEHIND_BECAUSE, help_text="Why it is behind.")
    explanation = serializers.CharField(help_text="The same in words.")


class BlockingDeliverySerializer(serializers.Serializer[Any]):
    """A failed delivery that waits for its next attempt and blocks those with the same order key.

    To unblock them, send it now, cancel it or set it aside.
    """

    key = serializers.CharField(help_text="Order key: the value by which the deliveries are ordered.")
    delivery = IdField(Delivery.prefix, source="delivery_id", help_text="Id of the delivery.")
    attempts = serializers.IntegerField(help_text="Attempts made so far.")
    next_attempt_at = serializers.DateTimeField(help_text="When the next attempt is due.")
    last_status = serializers.IntegerField(
        allow_null=True, help_text="HTTP status of the last attempt; null: no response."
    )
    last_error = serializers.CharField(help_text="Class of the last failure, such as `timeout`.")


class EndpointHealthSerializer(serializers.Serializer[EndpointHealth]):
    """How an endpoint is: in a word, in sentences for people, and in numbers."""

    state = serializers.ChoiceField(HEALTH_STATES, help_text="How the endpoint is; the worst that applies.")
    text = serializers.CharField(help_text="The same in sentences, with what follows from it.")
    attempts = serializers.IntegerField(help_text="Attempts in the last 24 hours. Test deliveries are not counted.")
    delivered = serializers.IntegerField(help_text="Those of them that delivered.")
    rejected = serializers.IntegerField(
        help_text="Those that it rejected: it responded 3xx or 4xx, but not 408 or 429."
    )
    rejected_percent = serializers.IntegerField(
        allow_null=True, help_text="How many of a hundred attempts it rejected; null without attempts."
    )
    warnings_sent = serializers.IntegerField(
        help_text="Warnings about its failures (`waypost.endpoint.failing`) published since the last sign of life."
    )
    failing_days = serializers.IntegerField(
        help_text="Days after the first failure on which attempts failed, a day or more apart."
    )
    disabled_at = serializers.DateTimeField(
        allow_null=True,
        help_text="When it will be disabled at the earliest, if it fails all the time; null: it does not fail, or "
        "failing endpoints are not disabled.",
    )


class CircuitBreakerSerializer(serializers.Serializer[LaneStatus]):
    """The circuit breaker of an endpoint, which pauses sending after failures in a row."""

    state = serializers.ChoiceField(BREAKER_STATES, source="breaker", help_text="Whether attempts are made.")
    failures = serializers.IntegerField(help_text="Failed attempts in a row.")
    failing_since = serializers.DateTimeField(
        allow_null=True, help_text="When the first of these attempts failed; null: no failure."
    )
    open_count = serializers.IntegerField(help_text="Times the circuit breaker opened since the last success.")
    open_until = serializers.DateTimeField(
        source="circuit_open_until", allow_null=True, help_text="Sending is paused until then; null: it is not paused."
    )


class EndpointStatusSerializer(serializers.Serializer[LaneStatus]):
    """The delivery status of an endpoint: its queue, the rate of sending, and its circuit breaker."""

    state = serializers.ChoiceField(QUEUE_STATES, help_text="State of the queue.")
    endpoint_state = serializers.ChoiceField(Endpoint.State.choices, help_text="State of the endpoint.")
    due_at = serializers.DateTimeField(
        allow_null=True, help_text="When the queue is processed next; null: nothing is due."
    )
    effective_rate = serializers.FloatField(
        allow_null=True,
        help_text="Deliveries per second possible now, by concurrency, rate limit, and response time and success of "
        "the latest attempts: 0 if all of these failed; null: unknown.",
    )
    rate_limit = serializers.FloatField(allow_null=True, help_text="Rate limit in attempts per second; null: no limit.")
    concurrency = serializers.IntegerField(
        help_text="Attempts that may be in flight at once now. It grows with successes and shrinks with failures."
    )
    max_in_flight = serializers.IntegerField(help_text="Upper limit of `concurrency`, as set at the endpoint.")
    sending = serializers.IntegerField(help_text="Attempts in flight now.")
    backlog = serializers.IntegerField(help_text="Pending deliveries, counted up to 10,000.")
    backlog_is_lower_bound = serializers.BooleanField(help_text="Whether there are more than `backlog`.")
    oldest_due_at = serializers.DateTimeField(
        allow_null=True, help_text="Due time of the oldest pending delivery; null: none."
    )
    behind = BehindSerializer(
        allow_null=True, help_text="How far it is behind, and why; null: no delivery has been due for more than 5 s."
    )
    waits_until = serializers.DateTimeField(
        allow_null=True,
        help_text="The endpoint asked with `Retry-After` to be sent nothing until then, a day at most; null: no.",
    )
    waits_because = serializers.CharField(
        allow_null=True, help_text="The same in words, with the status; null: it did not ask for a pause."
    )
    pulled_at = serializers.DateTimeField(
        allow_null=True,
        help_text="When a consumer last asked for messages of an endpoint of the type `poll`, up to ten seconds late; "
        "null: never, or of another type.",
    )
    health = EndpointHealthSerializer(help_text="How the endpoint is, in words.")
    circuit_breaker = CircuitBreakerSerializer(source="*", help_text="Circuit breaker of the endpoint.")
    ordering = ChoiceField(
        Endpoint.Ordering.choices, allow_blank=True, help_text="What deliveries are ordered by; null: not ordered."
    )
    blockers = BlockingDeliverySerializer(
        many=True, help_text="Deliveries that block others, up to 20, the longest wait first."
    )


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
    endpoint_path = "pk"
    serializer_class: type[serializers.Serializer[Any]] = EndpointStatusSerializer

    @extend_schema(responses={200: EndpointStatusSerializer}, operation_id="get_endpoint_status")
    def get(self, request: Request, ref: str) -> Response:
        return Response(EndpointStatusSerializer(lane_status(self.get_object())).data)


class EndpointRetry(TenantScoped[Endpoint]):
    """Retry what waits for one endpoint."""

    operations = {
        "post": (
            "Retry an endpoint's deliveries now",
            "Says that the endpoint works again. All its deliveries that wait for a retry become due, within seconds "
            "if there are many, an open circuit breaker sends a probe at once, and a pause that the endpoint asked for "
            "with `Retry-After` ends. Rate limit and order still apply. "
            "Returns the delivery status. 409 unless the endpoint is active.",
        ),
    }
    reads_body = False

    queryset = Endpoint.objects.filter(deleted_at=None)
    endpoint_path = "pk"
    required_permissions = {"POST": "subscriptions.change_endpoint"}
    serializer_class: type[serializers.Serializer[Any]] = EndpointStatusSerializer

    @extend_schema(request=None, responses={200: EndpointStatusSerializer}, operation_id="retry_endpoint")
    def post(self, request: Request, ref: str) -> Response:
        endpoint = self.get_object()
        retry_endpoint(endpoint)
        return Response(EndpointStatusSerializer(lane_status(endpoint)).data)
