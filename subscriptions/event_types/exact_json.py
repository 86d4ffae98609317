"""Read and write schemas and examples without changing their numbers.

Through doubles 0.1000000000000000055 becomes 0.1, 1.10 becomes 1.1, and 18446744073709551617 loses its end. So numbers
that Python would write in another way are JsonNumbers, from the request to the catalogue.
"""

import json
from typing import Any

import orjson

from webhooks.wire.json_numbers import fraction, integer, raw


def to_json(document: Any) -> str:
    """Return the text under which a schema or an example is stored. Raises TypeError for what is no JSON value."""
    return orjson.dumps(document, default=raw).decode()


def from_json(text: str) -> Any:
    """Parse what ``to_json`` wrote, or JSON text of others. Raises ValueError."""
    return json.loads(text, parse_float=fraction, parse_int=integer)


def indented(document: Any) -> str:
    """Return the JSON text of a document for people to read."""
    return orjson.dumps(document, default=raw, option=orjson.OPT_INDENT_2).decode()
