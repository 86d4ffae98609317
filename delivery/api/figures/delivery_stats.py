"""Serve what became of the deliveries of one endpoint or of one subscription, hour by hour."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.endpoints.stats import StatsParams
from delivery.figures.hour_stats import DeliveryStats, Histogram, delivery_stats, total_of
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Endpoint, Subscription

HELP = (
    "Returns, hour by hour and in total, what became of the deliveries that were created in each hour: attempts, "
    "retries, failures, and how long the first attempt and the delivery took. An hour is counted seventy minutes after "
    "its end, and again after four days, when its retries have ended."
)


class BucketSerializer(serializers.Serializer[Any]):
    """A bucket of a histogram."""

    up_to_ms = serializers.IntegerField(help_text="Longest time in the bucket, in milliseconds.")
    count = serializers.IntegerField(help_text="Deliveries in it, and not in the bucket before.")


class HistogramSerializer(serializers.Serializer[Histogram]):
    """How long something took: percentiles, off by less than a fifth, and the buckets that are not empty."""

    p50 = serializers.IntegerField(source="percentiles.p50", allow_null=True, help_text="Half took at most this long.")
    p95 = serializers.IntegerField(source="percentiles.p95", allow_null=True, help_text="95 % took at most this long.")
    p99 = serializers.IntegerField(source="percentiles.p99", allow_null=True, help_text="99 % took at most this long.")
    buckets = BucketSerializer(many=True, help_text="Histogram, shortest time first.")


class DeliveryHourSerializer(serializers.Serializer[DeliveryStats]):
    """The outcome of the deliveries that were created in one period."""

    begins_at = serializers.DateTimeField(help_text="Start of the period.")
    is_counted = serializers.BooleanField(
        help_text="Whether the hour is counted, or one of the hours of the total; until then its numbers are 0."
    )
    matched = serializers.IntegerField(source="numbers.matched", help_text="Events that deliveries were created of.")
    created = serializers.IntegerField(source="numbers.created", help_text="Deliveries created.")
    attempts = serializers.IntegerField(source="numbers.attempts", help_text="Attempts of these deliveries.")
    retries = serializers.IntegerField(
        source="numbers.retries", help_text="Attempts after the first of each delivery, replays included."
    )
    throttled = serializers.IntegerField(
        source="numbers.throttled",
        help_text="Attempts that the endpoint throttled, such as with 429. Waiting for a rate limit is no attempt.",
    )
    failed = serializers.IntegerField(source="numbers.failed", help_text="Attempts that failed.")
    delivered = serializers.IntegerField(source="numbers.delivered", help_text="Deliveries that are delivered.")
    dead = serializers.IntegerField(source="numbers.dead", help_text="Deliveries that failed permanently.")
    first_attempt_ms = serializers.SerializerMethodField(
        help_text="From the creation of a delivery to its first attempt, in milliseconds."
    )
    delivered_ms = serializers.SerializerMethodField(
        help_text="From its creation to the end of the first attempt that delivered, in milliseconds."
    )

    @extend_schema_field(HistogramSerializer)
    def get_first_attempt_ms(self, row: DeliveryStats) -> Any:
        return HistogramSerializer(row.first_attempt).data

    @extend_schema_field(HistogramSerializer)
    def get_delivered_ms(self, row: DeliveryStats) -> Any:
        return HistogramSerializer(row.delivery).data


class DeliveryStatsSerializer(serializers.Serializer[Any]):
    """The outcome of deliveries, by hour and in total."""

    total = DeliveryHourSerializer(help_text="All hours together.")
    data = DeliveryHourSerializer(  # type: ignore[assignment]  # the stubs have a property of this name
        many=True, help_text="Each hour (UTC), oldest first; the current one is the last."
    )


class EndpointDeliveryStats(TenantScoped[Endpoint]):
    """The outcome of the deliveries of one endpoint."""

    operations = {"get": ("Get an endpoint's delivery statistics", HELP)}
    queryset = Endpoint.objects.filter(deleted_at=None)
    endpoint_path = "pk"
    serializer_class: type[serializers.Serializer[Any]] = DeliveryStatsSerializer
    query_params = StatsParams

    @extend_schema(operation_id="get_endpoint_delivery_stats", responses={200: DeliveryStatsSerializer})
    def get(self, request: Request, ref: str) -> Response:
        return _response(self.get_object().id, self.params()["hours"])


class SubscriptionDeliveryStats(TenantScoped[Subscription]):
    """The outcome of the deliveries of one subscription."""

    operations = {
        "get": (
            "Get a subscription's delivery statistics",
            f"{HELP} A delivery belongs to the oldest subscription of its endpoint that matches the event, as "
            "subscriptions are when the hour is counted for the first time.",
        )
    }
    queryset = Subscription.objects.filter(endpoint__deleted_at=None)
    endpoint_path = "endpoint_id"
    serializer_class: type[serializers.Serializer[Any]] = DeliveryStatsSerializer
    query_params = StatsParams

    @extend_schema(operation_id="get_subscription_delivery_stats", responses={200: DeliveryStatsSerializer})
    def get(self, request: Request, ref: str) -> Response:
        return _response(self.get_object().id, self.params()["hours"])


def _response(scope_id: UUID, count: int) -> Response:
    hours = delivery_stats([scope_id], count, timezone.now())
    return Response(DeliveryStatsSerializer({"total": total_of(hours, hours[0].begins_at), "data": hours}).data)
