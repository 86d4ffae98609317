"""Serialize the statistics of a source."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from webhooks.kit.rest.query_params import QueryParams
from webhooks.sources.source_stats import MAX_HOURS


class SourceStatsQueryParams(QueryParams):
    """The number of hours, including the present one."""

    hours = serializers.IntegerField(required=False, default=24, min_value=1, max_value=MAX_HOURS)


class SourceCountsSerializer(serializers.Serializer[Any]):
    """Counts of messages (``throttled``: 429 or 503) and of runs of handlers."""

    received = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = serializers.IntegerField()
    throttled = serializers.IntegerField()
    processed = serializers.IntegerField()
    handler_failures = serializers.IntegerField()
    dead = serializers.IntegerField()


class SourceHourSerializer(SourceCountsSerializer):
    """Counts of one hour."""

    starts_at = serializers.DateTimeField()


class SourceCurrentCountsSerializer(serializers.Serializer[Any]):
    """Pending and dead receipts; ``is_lower_bound``: there may be more."""

    pending = serializers.IntegerField()
    dead = serializers.IntegerField()
    is_lower_bound = serializers.BooleanField()


@extend_schema_serializer(component_name="SourceStats")
class SourceStatsSerializer(serializers.Serializer[Any]):
    """Counts now, in all these hours together, and by hour. Hours are a few seconds behind."""

    now = SourceCurrentCountsSerializer()
    totals = SourceCountsSerializer()
    hours = SourceHourSerializer(many=True)
