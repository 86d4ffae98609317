"""Render the named texts of a transformer: sentences with values of the event, no longer than their reader allows.

    {"summary": {"template": "Order <$.subject>: <$.type>", "max_length": 255}}

A text is used in the template by its name, as a value: ``{"title": <summary>}``. In it ``<$.path>`` and ``<name>`` of
an input path are replaced; any other ``<...>`` stays as it is, since chat systems have such words of their own. A
string is written as it is, any other value as its JSON.

``max_length`` is in UTF-16 units, in which most APIs count or of which they allow more. A longer text is cut and ends
with an ellipsis. ``escape: "html"`` writes ``&``, ``<`` and ``>`` of values as entities, so that a value is neither
markup nor a mention. ``one_line: true`` writes a space in place of line breaks, which titles must not have.
"""

import re
from collections.abc import Mapping
from typing import Any

from webhooks.wire.errors import unknown_member
from webhooks.wire.step_budget import StepBudget
from webhooks.wire.transform.errors import InvalidTransformer, Unrenderable
from webhooks.wire.transform.limits import COPIED_PER_STEP, MAX_RENDERED, WRITTEN_PER_STEP
from webhooks.wire.transform.paths import MISSING, PathStep, parse_path
from webhooks.wire.transform.template import MAX_LENGTH as MAX_TEMPLATE
from webhooks.wire.transform.template import as_json

MAX_TEXTS = 20
MAX_LENGTH = 1_000_000  # UTF-16 units
ELLIPSIS = "…"
MEMBERS = frozenset({"template", "max_length", "escape", "one_line"})

_PLACE = re.compile(r'<([^<>\s"]+)>')
_LINE_BREAKS = re.compile(r"\s*[\r\n\v\f\x85\u2028\u2029]\s*")
_CUT_ENTITY = re.compile(r"&[a-z]{0,4}\Z")
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class NamedText:
    """Hold a compiled text. ``paths``: those that are written in it, by their text."""

    __slots__ = ("_is_one_line", "_max_length", "_pieces", "is_escaped", "paths")

    def __init__(self, written: Any, at: str, names: Mapping[str, object]) -> None:
        _check(written, at)
        self._max_length: int | None = written.get("max_length")
        self.is_escaped = written.get("escape") is not None
        self._is_one_line = bool(written.get("one_line"))
        self.paths: dict[str, tuple[PathStep, ...]] = {}
        self._pieces: list[tuple[str, bool]] = []  # text, and whether it is the name of a value
        start = 0
        for place in _PLACE.finditer(written["template"]):
            name = place[1]
            if name.startswith("$"):
                self.paths[name] = parse_path(name, f"{at}/template")
            elif name not in names:
                continue
            self._pieces += [(written["template"][start : place.start()], False), (name, True)]
            start = place.end()
        self._pieces.append((written["template"][start:], False))

    @property
    def names(self) -> set[str]:
        """Return the names and paths of the values that it uses."""
        return {text for text, is_name in self._pieces if is_name}

    def render(self, values: Mapping[str, Any], budget: StepBudget) -> str:
        """Return the text with these values. Raises Unrenderable, BudgetExceeded, and what json.dumps raises."""
        parts: list[str] = []
        written: dict[str, str] = {}
        size = 0
        for piece, is_name in self._pieces:
            if is_name and piece not in written:
                written[piece] = self._written(values[piece])
                budget.spend(len(written[piece]) // WRITTEN_PER_STEP)
            part = written[piece] if is_name else piece
            parts.append(part)
            budget.spend(1 + len(part) // COPIED_PER_STEP)
            size += len(part)
            if self._max_length is not None and size > self._max_length:
                break
            if size > MAX_RENDERED:
                raise Unrenderable(f"a text is longer than {MAX_RENDERED} characters")
        text = _LINE_BREAKS.sub(" ", "".join(parts)) if self._is_one_line else "".join(parts)
        return text if self._max_length is None else self._cut(text, self._max_length)

    def _written(self, value: Any) -> str:
        if value is MISSING:
            return ""
        text = value if isinstance(value, str) else as_json(value)
        return text.translate(_ENTITIES) if self.is_escaped else text

    def _cut(self, text: str, most: int) -> str:
        if len(text) * 2 <= most:  # a character is at most two units
            return text
        units = text.encode("utf-16-le")
        if len(units) <= 2 * most:
            return text
        cut = units[: 2 * (most - 1)].decode("utf-16-le", "ignore")
        return (_CUT_ENTITY.sub("", cut) if self.is_escaped else cut) + ELLIPSIS


def compile_texts(written: Any, names: Mapping[str, object]) -> dict[str, NamedText]:
    """Compile the texts of a transformer with input paths of these names. Raises InvalidTransformer."""
    if not isinstance(written, Mapping) or len(written) > MAX_TEXTS:
        raise InvalidTransformer("/texts", f"takes an object of at most {MAX_TEXTS} names and texts")
    if twice := written.keys() & names.keys():
        raise InvalidTransformer(f"/texts/{min(twice)}", "is the name of an input path too; give it another")
    return {name: NamedText(text, f"/texts/{name}", names) for name, text in written.items()}


def _check(written: Any, at: str) -> None:
    if isinstance(written, Mapping):
        name, reason = unknown_member(written, MEMBERS)
        if reason:
            raise InvalidTransformer(f"{at}/{name}", reason)
    if not isinstance(written, Mapping) or "template" not in written:
        raise InvalidTransformer(at, 'takes {"template": "...", "max_length": 255, "escape": "html"}')
    template, most = written["template"], written.get("max_length")
    if not isinstance(template, str) or len(template) > MAX_TEMPLATE:
        raise InvalidTransformer(f"{at}/template", f"takes a text of at most {MAX_TEMPLATE} characters")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int) or not 1 <= most <= MAX_LENGTH):
        raise InvalidTransformer(f"{at}/max_length", f"takes a number from 1 to {MAX_LENGTH}")
    if not isinstance(written.get("one_line", False), bool | None):
        raise InvalidTransformer(f"{at}/one_line", "takes true or false")
    if written.get("escape") not in (None, "html"):
        raise InvalidTransformer(f"{at}/escape", "takes html, or nothing")
