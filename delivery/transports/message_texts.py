"""Make texts of a message: keys, subjects and routing keys, from a template with paths into its body.

    $.data.customer.id              the value at a path
    orders.<$.type>.<$.data.id>     text with paths between < and >

A path has steps ``.name`` and ``[0]``, as in input transformers. Its value is a string, a number as it is written, or
true and false; anything else, also null, is no value.

PURE.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson

from delivery.transports.message import Message
from delivery.transports.outcome import Failure
from delivery.transports.send_failed import SendFailed
from webhooks.wire.message_values import Number
from webhooks.wire.step_budget import StepBudget
from webhooks.wire.transform.errors import InvalidTransformer
from webhooks.wire.transform.paths import InputPaths, parse_path

MAX_COMPILED = 1_000  # templates, per process

_PATH = re.compile(r"<(\$[^<>]*)>")


class InvalidText(ValueError):
    """The template cannot be used; the message is a sentence."""


@lru_cache(MAX_COMPILED)
def compile_text(template: str) -> "MessageText":
    """Return the compiled template, from a cache. Raises InvalidText."""
    return MessageText(template)


class MessageText:
    """A compiled template."""

    def __init__(self, template: str) -> None:
        """Compile a template. Raises InvalidText."""
        is_path = template.startswith("$")
        self._parts = ["", template, ""] if is_path else _PATH.split(template)
        self._paths = self._parts[1::2]
        try:
            steps = {path: parse_path(path, "") for path in self._paths}
        except InvalidTransformer as error:
            raise InvalidText(f"{error.reason[:1].upper()}{error.reason[1:]}.") from None
        if any(None in it for it in steps.values()):
            raise InvalidText("A path must lead to one value, so it has no *.")
        self._values = InputPaths(steps)

    @property
    def has_paths(self) -> bool:
        """Return whether the text depends on the message."""
        return bool(self._paths)

    def find(self, message: Message) -> str | None:
        """Return the text for a message; None if a path leads to no value."""
        if not self._paths:
            return self._parts[0]
        found = self._values.find(message.document, StepBudget(0))  # paths without * spend nothing
        texts = [_text(found[path]) for path in self._paths]
        if any(it is None for it in texts):
            return None
        return self._parts[0] + "".join(f"{text}{rest}" for text, rest in zip(texts, self._parts[2::2], strict=True))

    def fill(self, message: Message, written: Callable[[str], str] = str) -> str:
        """Return the text for people: what has no value is left out, objects and arrays are JSON.

        ``written``: how a value is written, such as escaped for HTML.
        """
        found = self._values.find(message.document, StepBudget(0)) if self._paths else {}
        values = [written(_shown(found[path])) for path in self._paths]
        return self._parts[0] + "".join(f"{text}{rest}" for text, rest in zip(values, self._parts[2::2], strict=True))

    def make(self, message: Message, setting: str) -> str:
        """Return the text for a message. Raises SendFailed, with the name of the setting, if there is none."""
        text = self.find(message)
        if text is None:
            paths = ", ".join(self._paths)
            raise SendFailed(Failure.REFUSED, f"The event has no value at {paths}, which {setting} names.")
        return text


def _shown(value: Any) -> str:
    """Return a value for people: JSON for an object or an array, nothing where there is none."""
    if isinstance(value, dict | list):
        return orjson.dumps(value, default=_raw, option=orjson.OPT_PASSTHROUGH_SUBCLASS).decode()
    return _text(value) or ""


def _raw(value: Any) -> orjson.Fragment:
    return orjson.Fragment(str(value))


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | Number) else None
