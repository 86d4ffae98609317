"""Define the field retry_plan: a list of waits, or their growth, which is stored and shown as the list."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError

from subscriptions.endpoints.retry_plan import (
    DEFAULT_CAP,
    DEFAULT_FACTOR,
    MAX_HORIZON,
    MAX_WAIT,
    MAX_WAITS,
    exponential_waits,
)
from webhooks.kit.rest.fields.json_values import ListField
from webhooks.kit.rest.fields.scalars import IntegerField, NumberField
from webhooks.kit.rest.serializers import StrictSerializer


class Exponential(StrictSerializer):
    """Validate waits in seconds that grow from one failure to the next."""

    first = IntegerField(min_value=1, max_value=MAX_WAIT)
    attempts = IntegerField(min_value=2, max_value=MAX_WAITS + 1, required=False)
    factor = NumberField(min_value=1, max_value=100, default=DEFAULT_FACTOR)
    cap = IntegerField(min_value=1, max_value=MAX_WAIT, default=DEFAULT_CAP)
    horizon = IntegerField(min_value=1, max_value=MAX_HORIZON, required=False)

    def validate(self, plan: dict[str, Any]) -> dict[str, Any]:
        """Require an end, and a cap and horizon of at least the first wait; raise a default cap to it."""
        if "attempts" not in plan and "horizon" not in plan:
            raise ValidationError({"attempts": ["Required unless horizon is given."]})
        if plan.get("horizon", MAX_HORIZON) < plan["first"]:
            raise ValidationError({"horizon": ["Must be at least the first wait."]})
        if plan["cap"] < plan["first"] and "cap" in self.initial_data:
            raise ValidationError({"cap": ["Must be at least the first wait."]})
        return {**plan, "cap": max(plan["cap"], plan["first"])}


PLAN_SCHEMA = {
    "x-component": ("EndpointRetryPlan", "Seconds to wait after each failure, or an object that describes them."),
    "oneOf": [
        {"type": "array", "items": {"type": "integer"}, "maxItems": MAX_WAITS},
        {
            "x-component": ("ExponentialRetryPlan", "Waits that grow by a factor; give `attempts`, `horizon` or both."),
            "type": "object",
            "properties": {
                "first": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_WAIT,
                    "description": "Seconds to wait after the first failure.",
                },
                "attempts": {
                    "type": "integer",
                    "minimum": 2,
                    "maximum": MAX_WAITS + 1,
                    "description": "Attempts in all; required without `horizon`. Default: as many as it has room for.",
                },
                "factor": {
                    "type": "number",
                    "minimum": 1,
                    "maximum": 100,
                    "default": DEFAULT_FACTOR,
                    "description": "Factor by which each wait is longer than the one before.",
                },
                "cap": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_WAIT,
                    "default": DEFAULT_CAP,
                    "description": "Longest wait in seconds.",
                },
                "horizon": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MAX_HORIZON,
                    "description": "Sum of all waits in seconds, at most. Default: no limit.",
                },
            },
            "required": ["first"],
        },
    ],
    "nullable": True,
}


@extend_schema_field(PLAN_SCHEMA)
class RetryPlan(ListField):
    """Accept the seconds to wait after each failure, none for no second attempt, or an object with their growth."""

    child = IntegerField(min_value=1, max_value=MAX_WAIT)
    default_error_messages = {
        "not_a_list": "Must be an array of waits in seconds, or an object of first, factor, cap, attempts and horizon."
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_WAITS, **options)

    def to_internal_value(self, data: Any) -> list[int]:
        if isinstance(data, Mapping):
            return exponential_waits(**_valid(data))
        return list(super().to_internal_value(data))


def _valid(data: Mapping[str, Any]) -> dict[str, Any]:
    plan = Exponential(data=data)
    plan.is_valid(raise_exception=True)
    return dict(plan.validated_data)
