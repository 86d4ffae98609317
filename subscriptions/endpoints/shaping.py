"""Check what an endpoint may have of masks: valid ones, and unmasked events only where an operator allows it."""

from collections.abc import Mapping
from typing import Any

from subscriptions.errors import Invalid
from subscriptions.masking.masks import check_masks
from subscriptions.models import Endpoint, HttpSettings

REFERENCE = HttpSettings.ContentMode.REFERENCE
MAY_NOT_CLEAR = "Must be false; only a platform key or the admin may let an endpoint receive events unmasked."
LINKED = "Cannot be used with content_mode reference or reference_above_bytes: behind the link is the data as stored."


def check_shaping(fields: Mapping[str, Any], stored: Endpoint, *, by_operator: bool) -> None:
    """Raise Invalid for masks that cannot be used, and for ``unmasked`` where the caller may not set it."""
    if "masks" in fields:
        check_masks(fields["masks"])
    if fields.get("unmasked") and not stored.unmasked and not by_operator:
        raise Invalid("unmasked", MAY_NOT_CLEAR)


def check_not_linked(endpoint: Endpoint) -> None:
    """Raise Invalid for an endpoint with masks, or without those of event types, whose data is behind a link."""
    if not (endpoint.masks or endpoint.unmasked):
        return
    http: HttpSettings | None = getattr(endpoint, "http", None)
    if http is None:
        return
    if http.content_mode == REFERENCE or http.reference_above_bytes is not None:
        raise Invalid("masks" if endpoint.masks else "unmasked", LINKED)
