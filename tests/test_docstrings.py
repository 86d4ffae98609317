"""Check that docstrings say what things do: first lines, and that nothing public goes without one.

Ruff's D rules check form and mood; this test checks what they do not.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("webhooks", "subscriptions", "delivery", "config", "benchmarks")
FILES = [
    path
    for folder in (*PRODUCT, "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "migrations" not in path.parts
]
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
BAD_BEGINNING = re.compile(r"(It|Its|What|Who|Whoever|Whose|Nobody|Somebody|Anybody|Whatever|Those|They)\b")


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


class Text(NamedTuple):
    """The docstring of one thing: a module, class or function; ``text`` is empty without a docstring."""

    place: str
    name: str
    text: str
    is_public: bool


@cache
def texts() -> list[Text]:
    """Return the docstrings of all files. The trees are not kept: they are large."""
    return [text for path in FILES for text in texts_of(path)]


def texts_of(path: Path) -> Iterator[Text]:
    tree = ast.parse(path.read_text())
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED):
            name, text = getattr(node, "name", ""), ast.get_docstring(node) or ""
            is_public = id(node) in top and not name.startswith("_")
            yield Text(f"{named(path)}:{getattr(node, 'lineno', 1)}", name, text, is_public)


def test_first_line_of_a_docstring_begins_with_what_the_thing_does() -> None:
    assert len(texts()) > len(FILES)
    assert [f"{it.place}: {it.text}" for it in texts() if BAD_BEGINNING.match(it.text)] == []


def test_public_function_has_a_docstring() -> None:
    product = tuple(f"{it}/" for it in PRODUCT)
    public = [it for it in texts() if it.is_public and it.place.startswith(product)]
    assert len(public) > 1000
    assert [f"{it.place}: {it.name}" for it in public if not it.text] == []
