"""Define the body that selects the rows of a bulk change, its preview, and its result.

A selection is a filter, or everything by an explicit word: a filter that is left out, or is empty by mistake, must not
select every row.
"""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from webhooks.kit.rest.fields.scalars import BooleanField
from webhooks.kit.rest.serializers import StrictSerializer

NOTHING_GIVEN = 'Give at least one condition, or "all": true to select everything.'
BOTH_GIVEN = 'Give either "all": true or a filter with conditions.'


class SelectionSerializer(StrictSerializer):
    """Select rows by ``filter``, which a subclass declares, or all of them. Conditions that are null or "" are none."""

    all = BooleanField(default=False, help_text="Whether to select everything; required as true without a filter.")
    options: ClassVar[frozenset[str]] = frozenset()
    """Names in the filter that false switches off, so that it is no condition."""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = any(self._is_condition(name, value) for name, value in attrs["filter"].items())
        if not attrs["all"] and not given:
            raise ValidationError({"filter": [NOTHING_GIVEN]}, code="required")
        if attrs["all"] and given:
            raise ValidationError({"all": [BOTH_GIVEN]}, code="ambiguous")
        return attrs

    def _is_condition(self, name: str, value: Any) -> bool:
        return value not in (None, "", {}) and not (name in self.options and value is False)


class SelectionCountSerializer(serializers.Serializer[Any]):
    """The number of rows that a selection has now, of a preview."""

    total = serializers.IntegerField(help_text="Rows that match now.")
    is_lower_bound = serializers.BooleanField(help_text="Whether counting stopped at its limit: there may be more.")


class BulkResultSerializer(serializers.Serializer[Any]):
    """The number of rows that one request has changed."""

    total = serializers.IntegerField(help_text="Rows changed by this request.")
    has_more = serializers.BooleanField(help_text="Whether more rows match; repeat the request to change them.")
