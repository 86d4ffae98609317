"""Serve the statistics of the attempts to one endpoint, and to those of a tenant together, hour by hour."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.sending.attempt_stats import StatsSummary, stats_by_hour, total_of
from subscriptions.api.tenancy import TenantScoped, endpoints_of, tenant_of
from subscriptions.models import Endpoint
from webhooks.kit.rest.labels import LabelsFilter
from webhooks.kit.rest.query_params import ChoiceFilter, IntegerParam, QueryParams

MAX_HOURS = 24 * 31  # of statistics


class LatencyPercentilesSerializer(serializers.Serializer[Any]):
    """Percentiles of the duration of attempts in milliseconds, failed attempts included; null without attempts."""

    p50 = serializers.IntegerField(allow_null=True, help_text="Half of the attempts took at most this long.")
    p95 = serializers.IntegerField(allow_null=True, help_text="95 % of the attempts took at most this long.")
    p99 = serializers.IntegerField(allow_null=True, help_text="99 % of the attempts took at most this long.")


class AttemptStatsSerializer(serializers.Serializer[StatsSummary]):
    """Statistics of the attempts of one period. Test deliveries are not counted."""

    begins_at = serializers.DateTimeField(help_text="Start of the period.")
    attempts = serializers.IntegerField(help_text="Attempts that ended in the period.")
    delivered = serializers.IntegerField(help_text="Attempts that delivered.")
    failed = serializers.IntegerField(help_text="Attempts that failed.")
    rejected = serializers.IntegerField(
        help_text="Failed attempts that the endpoint rejected: it works, and responded 3xx or 4xx, but not 408 or 429."
    )
    superseded = serializers.IntegerField(
        help_text="Deliveries that were not sent, as a newer one of their key took their place (`latest_only`)."
    )
    success_rate = serializers.FloatField(
        allow_null=True, help_text="Share of the attempts that delivered, from 0 to 1; null without attempts."
    )
    latency_ms = LatencyPercentilesSerializer(help_text="Duration of attempts in milliseconds.")
    last_error = serializers.CharField(
        help_text="Class of the latest failure, such as `timeout`; empty without a failure."
    )
    last_status = serializers.IntegerField(
        allow_null=True, help_text="HTTP status of the latest failure; null: none, or no response."
    )
    last_failed_at = serializers.DateTimeField(allow_null=True, help_text="Time of the latest failure; null: none.")


class EndpointStatsSerializer(serializers.Serializer[Any]):
    """Statistics of an endpoint, by hour and in total."""

    total = AttemptStatsSerializer(help_text="Statistics of all hours together.")
    data = AttemptStatsSerializer(  # type: ignore[assignment]  # the stubs have a property of this name
        many=True, help_text="Statistics of each hour (UTC), oldest first."
    )


class StatsParams(QueryParams):
    """The number of hours of a statistics report."""

    hours = IntegerParam(
        min_value=1, max_value=MAX_HOURS, default=24, help_text="Number of hours, including the current one."
    )


class StatsOfAllParams(StatsParams):
    """The number of hours of a statistics report, and the endpoints."""

    labels = LabelsFilter(help_text="Labels that the endpoints have, all of them: `env:prod,region:eu`. Default: all.")
    state = ChoiceFilter(Endpoint.State.choices, help_text="State of the endpoints. Default: any.")


class EndpointStats(TenantScoped[Endpoint]):
    """Statistics of one endpoint."""

    operations = {
        "get": (
            "Get an endpoint's statistics",
            "Returns attempts, success rate, latency percentiles and the last error, hour by hour and in total.",
        ),
    }

    queryset = Endpoint.objects.filter(deleted_at=None)
    endpoint_path = "pk"
    serializer_class: type[serializers.Serializer[Any]] = EndpointStatsSerializer
    query_params = StatsParams

    @extend_schema(operation_id="get_endpoint_stats", responses={200: EndpointStatsSerializer})
    def get(self, request: Request, ref: str) -> Response:
        """Return counts and durations of attempts: of the whole period, and of each of its hours (UTC), oldest first.

        An attempt is counted within seconds of its end. Test deliveries are not counted.
        """
        endpoint = self.get_object()
        hours = stats_by_hour([endpoint.id], self.params()["hours"], timezone.now())
        return Response(EndpointStatsSerializer({"total": total_of(hours), "data": hours}).data)


class AllEndpointStats(TenantScoped[Endpoint]):
    """Statistics of the endpoints of a tenant together."""

    expensive = ("GET",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "get": (
            "Get the statistics of several endpoints",
            "Returns attempts, success rate, latency percentiles and the last error of the tenant's endpoints "
            "together, hour by hour and in total: of all, or of those with some `labels` or in a `state`.",
        ),
    }

    queryset = Endpoint.objects.filter(deleted_at=None)
    endpoint_path = "pk"
    serializer_class: type[serializers.Serializer[Any]] = EndpointStatsSerializer
    query_params = StatsOfAllParams

    @extend_schema(operation_id="get_endpoint_stats_of_all", responses={200: EndpointStatsSerializer})
    def get(self, request: Request) -> Response:
        """Return counts and durations of attempts, as for one endpoint."""
        tenant_of(request)  # raises ValidationError if there is none
        params = self.query_params.read(request)
        selected = endpoints_of(request).filter(params.condition(unindexed=False)).values_list("id", flat=True)
        hours = stats_by_hour(list(selected), params.arguments["hours"], timezone.now())
        return Response(EndpointStatsSerializer({"total": total_of(hours), "data": hours}).data)
