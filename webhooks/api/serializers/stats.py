"""Serialize the statistics of a source."""

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from webhooks.kit.rest.query_params import IntegerParam, QueryParams
from webhooks.sources.source_stats import MAX_HOURS


class SourceStatsQueryParams(QueryParams):
    """The number of hours, including the current one."""

    hours = IntegerParam(
        required=False,
        default=24,
        min_value=1,
        max_value=MAX_HOURS,
        help_text="Number of hours, including the current one.",
    )


class SourceCountsSerializer(serializers.Serializer[Any]):
    """Counts of messages and of handler runs of a source."""

    received = serializers.IntegerField(help_text="New messages, which were stored.")
    duplicates = serializers.IntegerField(
        help_text="Messages received again under the same message id; not stored again."
    )
    conflicts = serializers.IntegerField(
        help_text="Duplicates with other content than the first, which is kept; each is in the rejections."
    )
    rejected = serializers.IntegerField(help_text="Requests rejected: signature, size or form.")
    throttled = serializers.IntegerField(
        help_text="Requests that got 429 or 503: over the rate limit, or while paused."
    )
    processed = serializers.IntegerField(help_text="Receipts whose handlers succeeded.")
    unhandled = serializers.IntegerField(
        help_text="Of these, receipts that matched no handler, although the source has handlers."
    )
    handler_failures = serializers.IntegerField(help_text="Failed runs of handlers, including those that were retried.")
    dead = serializers.IntegerField(help_text="Receipts given up after their last retry.")


class SourceHourlyCountsSerializer(SourceCountsSerializer):
    """Counts of messages and of handler runs of a source in one hour."""

    begins_at = serializers.DateTimeField(source="starts_at", help_text="Start of the hour (UTC).")


class SourceCurrentCountsSerializer(serializers.Serializer[Any]):
    """Counts of the receipts of a source by their state now."""

    pending = serializers.IntegerField(help_text="Receipts whose handlers have not finished.")
    dead = serializers.IntegerField(help_text="Receipts given up, which can be replayed.")
    is_lower_bound = serializers.BooleanField(
        help_text="Whether there may be more than `pending` and `dead`: counting stops at 10,000."
    )


@extend_schema_serializer(component_name="SourceStats")
class SourceStatsSerializer(serializers.Serializer[Any]):
    """Statistics of a source. Hourly counts are a few seconds behind."""

    now = SourceCurrentCountsSerializer(help_text="Pending and dead receipts now.")
    total = SourceCountsSerializer(help_text="Counts of all hours together.")
    data = SourceHourlyCountsSerializer(  # type: ignore[assignment]  # the stubs have a property of this name
        many=True, help_text="Counts of each hour (UTC), oldest first."
    )
