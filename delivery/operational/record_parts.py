"""Write the parts of an invocation record that come from elsewhere: an event, a message, a response."""

from base64 import b64encode
from typing import Any

import orjson

from webhooks.wire import json_text

MAX_DEPTH = 100  # of JSON that is part of a record


def json_part(body: bytes | None) -> orjson.Fragment | None:
    """Return JSON text as a part of a record, byte for byte; None if there is none, or if it is no JSON."""
    if not body:
        return None
    try:
        json_text.parse_value(body, MAX_DEPTH)
    except json_text.InvalidJson:
        return None
    return orjson.Fragment(body)


def response_part(body: bytes | None) -> dict[str, Any] | None:
    """Return a response as a part of a record; None if there was none."""
    return None if body is None else text_part(body, is_cut=True)


def text_part(body: bytes, *, is_cut: bool) -> dict[str, Any]:
    """Return bytes as a part of a record: as text if they are UTF-8, else base64.

    ``is_cut``: whether they may end within a character.
    """
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError as error:
        if is_cut and error.reason == "unexpected end of data":
            return {"text": body[: error.start].decode()}
    return {"base64": b64encode(body).decode()}
