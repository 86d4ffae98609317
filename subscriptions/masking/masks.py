"""Check the masks of event types and endpoints, and compile them once for each text."""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from subscriptions.errors import Invalid
from subscriptions.json_limits import check_json
from webhooks.wire.masking import InvalidMask, Masks

FIELD = "masks"
MAX_BYTES = 16 * 1024  # of all masks, as JSON
MAX_DEPTH = 2
MAX_STEPS = 1_000_000  # of masking one event while it is published: about 0.1 s of CPU
TOO_COSTLY = "takes too long to mask; publish less data in one event, or mask the objects that contain the values"


def check_masks(masks: Any) -> None:
    """Raise Invalid for ``masks``, with a pointer to the part that is wrong."""
    if not isinstance(masks, list):
        raise Invalid(FIELD, 'Must be an array: [{"path": "$.data.email", "action": "mask"}].')
    check_json(FIELD, masks, MAX_BYTES, MAX_DEPTH)
    try:
        Masks(masks)
    except InvalidMask as error:
        raise Invalid(FIELD, str(error).encode("utf-8", "replace").decode(), error.path) from None


def compile_masks(masks: Sequence[Any]) -> Masks:
    """Return the compiled form of stored masks; equal ones share it."""
    return _compiled(json.dumps(masks, ensure_ascii=False))


@lru_cache(maxsize=1_000)
def _compiled(text: str) -> Masks:
    return Masks(json.loads(text))
