"""Complete the body of a test message: with members that are signed, the time, the signature."""

import itertools
from typing import Any
from urllib.parse import parse_qsl, urlencode

import orjson


def with_member(body: bytes, path: str, value: str, *, keep: bool = False) -> bytes:
    """Return the body with a value at ``body:/json/pointer``, ``form:name`` or ``form:name#/pointer``.

    A body that is not JSON, or no form, is replaced. ``keep``: a value that is there stays.
    """
    part, _, name = path.partition(":")
    if part == "body":
        return _with_value(body, name, value, keep)
    field, hash_sign, pointer = name.partition("#")
    pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    known = dict(pairs).get(field)
    if hash_sign:
        value = _with_value((known or "").encode(), pointer, value, keep).decode()
    elif keep and known is not None:
        return body
    return urlencode([*((key, text) for key, text in pairs if key != field), (field, value)]).encode()


def _with_value(text: bytes, pointer: str, value: str, keep: bool) -> bytes:
    try:
        document: Any = orjson.loads(text)
    except ValueError:
        document = {}
    if not isinstance(document, dict | list):
        document = {}
    steps = pointer.split("/")[1:]
    place = document
    for step, following in itertools.pairwise(steps):
        place = _child(place, step, [] if following in ("0", "*") else {})
    last = steps[-1] if steps else ""
    if not (keep and isinstance(place, dict) and last in place):
        _child(place, last, value, replace=True)
    return orjson.dumps(document)


def _child(place: Any, step: str, new: Any, *, replace: bool = False) -> Any:
    """Return the child of an object or list, which is made if it is missing."""
    if isinstance(place, list):
        if not place:
            place.append(new)
        elif replace:
            place[0] = new
        return place[0]
    if replace or not isinstance(place.get(step), dict | list):
        place[step] = new
    return place[step]
