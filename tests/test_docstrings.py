"""Check that docstrings say what things do: first lines, and that nothing public goes without one.

Ruff's D rules check form and mood; this test checks what they do not.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of every docstring of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), text


@pytest.mark.parametrize("path", FILES, ids=named)
def test_first_line_of_a_docstring_begins_with_what_the_thing_does(path: Path) -> None:
    assert [f"{named(path)}:{line}: {text}" for line, text in docstrings(path) if BAD_BEGINNING.match(text)] == []


@pytest.mark.parametrize("path", [path for path in FILES if path.parts[len(ROOT.parts)] in PRODUCT], ids=named)
def test_public_function_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text())
    functions = [node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))]
    silent = [node.name for node in functions if not node.name.startswith("_") and not ast.get_docstring(node)]
    assert silent == []
