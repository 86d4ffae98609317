"""How a source stands, in figures."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from webhooks.kit.strict import Strict
from webhooks.sources.source_stats import MAX_HOURS


class SourceStatsQuerySerializer(Strict):
    """How far back to look."""

    along = frozenset({"tenant"})  # in the query: see tenancy
    hours = serializers.IntegerField(required=False, default=24, min_value=1, max_value=MAX_HOURS)


class SourceCountsSerializer(serializers.Serializer[Any]):
    """What came (``received`` once each; ``throttled``: told to come back), and what became of runs of handlers."""

    received = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = serializers.IntegerField()
    throttled = serializers.IntegerField()
    processed = serializers.IntegerField()
    handler_failures = serializers.IntegerField()
    dead = serializers.IntegerField()


class SourceHourSerializer(SourceCountsSerializer):
    starts_at = serializers.DateTimeField()


class SourceCurrentCountsSerializer(serializers.Serializer[Any]):
    """Receipts that wait for their handlers and dead ones; ``is_lower_bound``: there may be more."""

    pending = serializers.IntegerField()
    dead = serializers.IntegerField()
    is_lower_bound = serializers.BooleanField()


@extend_schema_serializer(component_name="SourceStats")
class SourceStatsSerializer(serializers.Serializer[Any]):
    """How a source stands: now, in all these hours together, and hour by hour. Hours are a few seconds behind."""

    now = SourceCurrentCountsSerializer()
    totals = SourceCountsSerializer()
    hours = SourceHourSerializer(many=True)
