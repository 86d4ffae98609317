"""Write the body of a message as the template of a transformer, or as its JSONata expression. Pure.

The body is JSON. Three forms of an object stand for something else:

    {"$value": "summary"}      the value of a named text, or of a path: ``$.data``
    {"$setting": "priority"}   the value of a setting; the member is left out if the setting was
    {"$fields": "properties"}  the object of a setting, whose strings may contain ``<$.path>``

Any other string is sent as it is, whatever it contains.

A JSONata expression reads the settings as ``$settings``: an object, which is written in front of it.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

VALUE, SETTING, FIELDS = "$value", "$setting", "$fields"
_NO_PLACE = re.compile(r"<(?!\$[^<>\s\"]*>)")


def write_template(body: Any, settings: Mapping[str, Any]) -> str:
    """Return the template for these settings."""
    written = _written(body, settings)
    return "null" if written is None else written


def write_fields(fields: Any) -> str:
    """Return the JSON of an object in whose strings ``<$.path>`` stays a place of the template."""
    return _NO_PLACE.sub(r"\\u003c", json.dumps(fields, ensure_ascii=False))


def write_expression(expression: str, settings: Mapping[str, Any]) -> str:
    """Return the expression with the settings bound to ``$settings``. JSON is a literal in JSONata."""
    return f"($settings := {json.dumps(dict(settings), ensure_ascii=False)}; {expression})"


def _written(node: Any, settings: Mapping[str, Any]) -> str | None:
    """Return a part of the template; None if it is left out."""
    if isinstance(node, list):
        items = [_written(it, settings) for it in node]
        return f"[{', '.join(it for it in items if it is not None)}]"
    if not isinstance(node, dict):
        return _literal(node)
    if VALUE in node:
        return f"<{node[VALUE]}>"
    if SETTING in node:
        value = settings.get(node[SETTING])
        return None if value is None else _literal(value)
    if FIELDS in node:
        value = settings.get(node[FIELDS])
        return None if value is None else write_fields(value)
    members = [(name, _written(value, settings)) for name, value in node.items()]
    return f"{{{', '.join(f'{_literal(name)}: {value}' for name, value in members if value is not None)}}}"


def _literal(value: Any) -> str:
    """Return JSON without any place of a template."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
