"""Read the fenced blocks of the pages."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FENCED = re.compile(r"^( *)```([^\n]*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its page, its number there from 0, its language, and its text without the page's indentation."""

    page: str
    number: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.number}"


@cache
def pages() -> tuple[str, ...]:
    """Return the pages, by their paths below the root."""
    return ("README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")))


@cache
def blocks_of(page: str) -> tuple[Block, ...]:
    """Return the blocks of a page in order."""
    found = enumerate(FENCED.findall((ROOT / page).read_text()))
    return tuple(Block(page, number, info, _without(indent, text)) for number, (indent, info, text) in found)


def _without(indent: str, text: str) -> str:
    """Return the text without the indentation that its fence has, in a list."""
    return "".join(line.removeprefix(indent) for line in text.splitlines(keepends=True))
