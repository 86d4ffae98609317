"""Define the fields that callers use for their own purposes: uid, metadata and labels; and the filter by labels."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework.exceptions import ValidationError

from subscriptions import validation
from subscriptions.api.problems import check_field
from subscriptions.errors import Invalid
from subscriptions.tenants.labels import MAX_LABELS, check_labels, parse_labels
from webhooks.kit.rest.query_params import TextFilter
from webhooks.kit.rest.serializers import StorableJsonField, TextField
from webhooks.kit.rows import Row


@extend_schema_field({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,256}$", "nullable": True})
class Uid(TextField):
    """Accept a uid that does not look like an id of Waypost, since both are accepted in the same places."""

    def __init__(self, **options: Any) -> None:
        text = "Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`."
        super().__init__(required=False, allow_null=True, help_text=text, **options)

    def to_internal_value(self, data: Any) -> str:
        uid = super().to_internal_value(data)
        model: type[Row] = self.parent.Meta.model  # type: ignore[attr-defined]  # a model's serializer
        check_field(validation.check_uid, model.prefix, uid)
        return uid


@extend_schema_field({"type": "object", "additionalProperties": True})
class Metadata(StorableJsonField):
    """Accept a small JSON object."""

    def __init__(self, **options: Any) -> None:
        text = "JSON object for your own use, up to 8 KiB and 4 levels deep. Default: `{}`."
        super().__init__(help_text=text, **options)

    def to_internal_value(self, data: Any) -> Any:
        metadata = super().to_internal_value(data)
        check_field(validation.check_metadata, metadata)
        return metadata


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
        labels = super().to_internal_value(data)
        check_field(check_labels, labels)
        return labels


class LabelsFilter(TextFilter):
    """Filter by labels: ``env:prod,region:eu`` selects the rows that have all of them. ``where``: the column."""

    def __init__(self, where: str = "labels", **options: Any) -> None:
        super().__init__(where=f"{where}__contains", **options)

    def to_internal_value(self, data: Any) -> Any:
        try:
            return parse_labels(super().to_internal_value(data))
        except Invalid as error:
            raise ValidationError(error.message) from None
