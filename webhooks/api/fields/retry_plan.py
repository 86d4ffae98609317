"""Define the field of the retry plan of a source's handlers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from webhooks.processing.running.retry_plan import MAX_TOTAL_WAIT, MAX_WAIT, MAX_WAITS


@extend_schema_field(
    {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": MAX_WAIT},
        "maxItems": MAX_WAITS,
        "nullable": True,
    }
)
class RetryPlanField(serializers.Field[list[int], Any, Any, Any]):
    """Seconds to wait after each failure, or null for the default plan."""

    default_error_messages = {
        "list": "Must be an array of at most {most} integers from 1 to {longest} (seconds).",
        "long": "The sum of all waits must be at most {longest} seconds.",
    }

    def to_representation(self, value: list[int]) -> list[int]:
        return value

    def to_internal_value(self, data: Any) -> list[int]:
        if not isinstance(data, list) or len(data) > MAX_WAITS or not all(map(_is_wait, data)):
            self.fail("list", longest=MAX_WAIT, most=MAX_WAITS)
        if sum(data) > MAX_TOTAL_WAIT:
            self.fail("long", longest=MAX_TOTAL_WAIT)
        return data


def _is_wait(seconds: Any) -> bool:
    return isinstance(seconds, int) and not isinstance(seconds, bool) and 1 <= seconds <= MAX_WAIT
