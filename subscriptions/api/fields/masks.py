"""Define the field of masks, of event types and endpoints."""

from typing import Any

from drf_spectacular.utils import extend_schema_field

from subscriptions.api.problems import check_field
from subscriptions.masking.masks import check_masks
from webhooks.kit.rest.fields.json_values import StorableJsonField
from webhooks.wire.masking.masks import ACTIONS, MAX_MASKS

MASKS_SCHEMA = {
    "type": "array",
    "maxItems": MAX_MASKS,
    "items": {
        "x-component": ("Mask", "What is done with the values at a path of an event."),
        "type": "object",
        "properties": {
            "path": {
                "type": "string",
                "description": "Path of the values: `$.data.customer.email`, `$.data.lines[*].iban`, `$.subject`.",
            },
            "action": {
                "type": "string",
                "enum": list(ACTIONS),
                "description": "`remove` the value; `mask`: write `***`; `hash`: a keyed hash, equal for equal values; "
                "`encrypt`: a JSON Web Encryption that the masking key decrypts.",
            },
        },
        "required": ["path", "action"],
        "additionalProperties": False,
    },
}


@extend_schema_field(MASKS_SCHEMA)
class MasksField(StorableJsonField):
    """Accept a list of masks, and reject one that does not compile."""

    def to_internal_value(self, data: Any) -> Any:
        masks = super().to_internal_value(data)
        check_field(check_masks, masks)
        return masks
