"""Check labels, by which rows are selected: the rules, the field of a row, and the filter of a list."""

import re
from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError

from webhooks.kit.rest.fields.json_values import StorableJsonField
from webhooks.kit.rest.query_params import TextFilter

MAX_LABELS = 32  # of one row
MAX_LABEL = 64  # characters of a name or a value
LABEL_FORM = f"1 to {MAX_LABEL} letters, digits, hyphens, underscores and full stops"

_LABEL = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_LABEL}}}")


def check_labels(labels: Any) -> dict[str, str]:
    """Return the labels. Raises ValueError unless this is an object of a few names with short values.

    A filter can write these in a URL.
    """
    if not isinstance(labels, Mapping) or len(labels) > MAX_LABELS:
        raise ValueError(f"Must be an object of at most {MAX_LABELS} names.")
    for name, value in labels.items():
        if not _LABEL.fullmatch(name):
            raise ValueError(f"The name {name[:MAX_LABEL]!a} must be {LABEL_FORM}.")
        if not isinstance(value, str) or not _LABEL.fullmatch(value):
            raise ValueError(f"The value of {name} must be {LABEL_FORM}.")
    return dict(labels)


def parse_labels(text: str) -> dict[str, str]:
    """Return the labels of a filter such as ``env:prod,region:eu``. Raises ValueError."""
    labels: dict[str, str] = {}
    for each in text.split(","):
        name, colon, value = each.strip().partition(":")
        if not colon or name in labels:
            raise ValueError("Must be names with values, each name once: env:prod,region:eu.")
        labels[name] = value
    return check_labels(labels)


LABELS_SCHEMA = {
    "type": "object",
    "additionalProperties": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    "maxProperties": MAX_LABELS,
}


@extend_schema_field(LABELS_SCHEMA)
class Labels(StorableJsonField):
    """Accept an object of names with values, by which rows are selected."""

    def __init__(self, **options: Any) -> None:
        text = (
            'Names with values, by which lists, replays, statistics and subscriptions select: `{"env": "prod"}`. Up to '
            "32; each name and value up to 64 letters, digits, `.`, `_` and `-`. Default: `{}`."
        )
        super().__init__(**{"help_text": text, **options})

    def to_internal_value(self, data: Any) -> Any:
        try:
            return check_labels(super().to_internal_value(data))
        except ValueError as error:
            raise ValidationError(str(error)) from None


class LabelsFilter(TextFilter):
    """Filter by labels: ``env:prod,region:eu`` selects the rows that have all of them. ``where``: the column.

    The filter in a body may also have an object.
    """

    def __init__(self, where: str = "labels", **options: Any) -> None:
        super().__init__(where=f"{where}__contains", **options)

    def to_internal_value(self, data: Any) -> Any:
        try:
            return check_labels(data) if isinstance(data, Mapping) else parse_labels(super().to_internal_value(data))
        except ValueError as error:
            raise ValidationError(str(error)) from None
