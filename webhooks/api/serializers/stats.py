"""How a source stands, in figures."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from webhooks.kit.strict import Strict
from webhooks.sources.source_stats import MOST_HOURS


class NewStatsSerializer(Strict):
    """How far back to look."""

    along = frozenset({"tenant"})  # in the query: see tenancy
    hours = serializers.IntegerField(required=False, default=24, min_value=1, max_value=MOST_HOURS)


class CountsSerializer(serializers.Serializer[Any]):
    """What came (``received`` once each; ``turned_away``: told to come back), and what became of runs of handlers."""

    received = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = serializers.IntegerField()
    turned_away = serializers.IntegerField()
    processed = serializers.IntegerField()
    failed = serializers.IntegerField()
    dead = serializers.IntegerField()


class HourSerializer(CountsSerializer):
    begins_at = serializers.DateTimeField()


class NowSerializer(serializers.Serializer[Any]):
    """Receipts that wait for their handlers and dead ones; ``at_least``: there may be more."""

    waiting = serializers.IntegerField()
    dead = serializers.IntegerField()
    at_least = serializers.BooleanField()


@extend_schema_serializer(component_name="SourceStats")
class StatsSerializer(serializers.Serializer[Any]):
    """How a source stands: now, in all these hours together, and hour by hour. Hours are a few seconds behind."""

    now = NowSerializer()
    totals = CountsSerializer()
    hours = HourSerializer(many=True)
