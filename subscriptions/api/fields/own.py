"""Define the fields that callers use for their own purposes: uid and metadata."""

from typing import Any

from drf_spectacular.utils import extend_schema_field

from subscriptions import validation
from subscriptions.api.problems import check_field
from webhooks.kit.rest.fields.json_values import StorableJsonField
from webhooks.kit.rest.fields.scalars import TextField
from webhooks.kit.rows import Row


@extend_schema_field({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,256}$", "nullable": True})
class Uid(TextField):
    """Accept a uid that does not look like an id of Waypost, since both are accepted in the same places.

    ``model``: whose uid it is; by default that of a model's serializer.
    """

    def __init__(self, model: type[Row] | None = None, **options: Any) -> None:
        self._model = model
        text = "Your own id, accepted wherever the id is. Up to 256 letters, digits, `.`, `_` and `-`."
        super().__init__(**{"required": False, "allow_null": True, "help_text": text, **options})

    def to_internal_value(self, data: Any) -> str:
        uid = super().to_internal_value(data)
        model: type[Row] = self._model or self.parent.Meta.model  # type: ignore[attr-defined]  # a model's serializer
        check_field(validation.check_uid, model.prefix, uid)
        return uid


@extend_schema_field({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,256}$"})
class RequiredUid(Uid):
    """Accept a uid that has to be given."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=True, allow_null=False, **options)


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
