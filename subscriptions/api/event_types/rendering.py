"""Render responses whose numbers are written as they were given."""

from collections.abc import Mapping
from typing import Any

import orjson
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder

from webhooks.wire.json_numbers import JsonNumber, raw


class ExactJsonRenderer(JSONRenderer):
    """Write JsonNumbers as their text, and everything else as REST framework does."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the body of a response."""
        return b"" if data is None else orjson.dumps(data, default=_written)


def _written(value: object) -> Any:
    return raw(value) if isinstance(value, JsonNumber) else JSONEncoder().default(value)
