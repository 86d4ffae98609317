"""Print results: a table for people, or JSON, one line for each item, with ``--json``."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

COLORS = {"green": "32", "red": "31", "yellow": "33", "grey": "90"}
STATES = {
    "delivered": "green",
    "active": "green",
    "dead": "red",
    "disabled": "red",
    "pending": "yellow",
    "paused": "yellow",
}


class Output:
    """Print to a stream; in color if it is a terminal."""

    def __init__(self, *, as_json: bool, stream: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stream = stream or sys.stdout
        self._is_terminal = self._stream.isatty()

    def one(self, item: Any, text: str = "") -> None:
        """Print an object: ``text`` for people, or its members line by line."""
        if self.as_json:
            self._write(json.dumps(item, default=str))
        elif text:
            self._write(text)
        else:
            width = max(map(len, item), default=0)
            for name, value in item.items():
                self._write(f"{name:{width}}  {shown(value)}")

    def table(self, items: Iterable[Any], columns: Sequence[str]) -> None:
        """Print a row for each item, with these members; ``a.b`` is a member of a member."""
        if self.as_json:
            for item in items:
                self._write(json.dumps(item, default=str))
            return
        rows = [[shown(member(item, name)) for name in columns] for item in items]
        if not rows:
            self.note("nothing found")
            return
        heads = [name.rpartition(".")[2].replace("_", " ") for name in columns]
        widths = [max(map(len, cells)) for cells in zip(heads, *rows, strict=True)]
        for cells in (heads, *rows):
            padded = [f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)]
            colored = padded if cells is heads else [self.color(it, STATES.get(it.strip(), "")) for it in padded]
            self._write(
                self.color("  ".join(padded).rstrip(), "grey") if cells is heads else "  ".join(colored).rstrip()
            )

    def note(self, text: str) -> None:
        """Print a remark for people, which is none of the results."""
        print(text, file=sys.stderr, flush=True)

    def color(self, text: str, name: str) -> str:
        """Return the text in a color, if this is a terminal."""
        return f"\x1b[{COLORS[name]}m{text}\x1b[0m" if self._is_terminal and name else text

    def _write(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def member(item: Mapping[str, Any], path: str) -> Any:
    """Return the member ``a.b`` of an object; None if there is none."""
    found: Any = item
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def shown(value: Any) -> str:
    """Return a value in one line."""
    if value is None:
        return "-"
    if isinstance(value, (Mapping, list)):
        return json.dumps(value, separators=(",", ":"))
    return str(value)
