"""Parse text with placeholders: ``{name}``, or ``{name:argument}``. Every other character stands for itself."""

import re
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)(?::([^{}]*))?\}")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A part of a text that is filled in."""

    name: str
    argument: str = ""


Part = str | Placeholder


def parse(text: str) -> list[Part]:
    """Return the literal texts and placeholders of a text, in order and without empty texts."""
    parts: list[Part] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text):
        parts += [text[end : match.start()], Placeholder(match[1], match[2] or "")]
        end = match.end()
    parts.append(text[end:])
    return [part for part in parts if part != ""]


def names(parts: list[Part]) -> list[str]:
    """Return the names of the placeholders, in order."""
    return [part.name for part in parts if isinstance(part, Placeholder)]
