"""Serve the statistics of the attempts to an endpoint, hour by hour."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.sending.attempt_stats import StatsSummary, stats_by_hour, total_of
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Endpoint
from webhooks.kit.rest.query_params import QueryParams

MAX_HOURS = 24 * 31  # of statistics


class LatencySerializer(serializers.Serializer[Any]):
    """Percentiles of the duration of attempts in milliseconds, failed ones included; null without attempts."""

    p50 = serializers.IntegerField(allow_null=True)
    p95 = serializers.IntegerField(allow_null=True)
    p99 = serializers.IntegerField(allow_null=True)


class SummarySerializer(serializers.Serializer[StatsSummary]):
    """Counts of the attempts of a period. ``last_error`` is the class of the latest failure; empty without one."""

    begins_at = serializers.DateTimeField()
    attempts = serializers.IntegerField()
    delivered = serializers.IntegerField()
    failed = serializers.IntegerField()
    success_rate = serializers.FloatField(allow_null=True, help_text="From 0 to 1; null without attempts.")
    latency_ms = LatencySerializer()
    last_error = serializers.CharField()
    last_status = serializers.IntegerField(allow_null=True)
    last_failed_at = serializers.DateTimeField(allow_null=True)


class EndpointStatsSerializer(serializers.Serializer[Any]):
    """Statistics of an endpoint: of the whole period, and by hour, oldest first."""

    total = SummarySerializer()
    data = SummarySerializer(many=True)  # type: ignore[assignment]  # the stubs have a property of this name


class StatsParams(QueryParams):
    """The number of hours of a statistics report."""

    hours = serializers.IntegerField(
        min_value=1, max_value=MAX_HOURS, default=24, help_text="Number of hours, including the current one."
    )


class EndpointStats(TenantScoped[Endpoint]):
    """Statistics of one endpoint."""

    operations = {
        "get": (
            "Get an endpoint's statistics",
            "Returns attempts, success rate, latency percentiles and the last error, hour by hour and in total.",
        ),
    }

    queryset = Endpoint.objects.filter(deleted_at=None)
    serializer_class: type[serializers.Serializer[Any]] = EndpointStatsSerializer
    query_params = StatsParams

    @extend_schema(operation_id="get_endpoint_stats", responses={200: EndpointStatsSerializer})
    def get(self, request: Request, ref: str) -> Response:
        """Return counts and durations of attempts: of the whole period, and of each of its hours (UTC), oldest first.

        An attempt is counted within seconds of its end. Test deliveries are not counted.
        """
        endpoint = self.get_object()
        hours = stats_by_hour(endpoint.id, self.params()["hours"], timezone.now())
        return Response(EndpointStatsSerializer({"total": total_of(hours), "data": hours}).data)
