"""Check that the page of the settings lists every variable that is read, and no other."""

import ast
import re
from pathlib import Path

import config.settings

ROOT = Path(config.settings.__file__).parent.parent
READERS = (ROOT / "config" / "settings.py", ROOT / "config" / "local" / "embedded" / "postgres.py")
PAGE = ROOT / "docs" / "reference" / "settings.md"
ROW = re.compile(r"^\| `([A-Z_]+)` \|", re.MULTILINE)


def read_by_settings() -> set[str]:
    """Return the first argument of every call of a reader in config.env and config.server_urls."""
    return {
        node.args[0].value
        for path in READERS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("env", "server_urls")
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def test_reader_of_a_known_variable_is_found() -> None:
    assert {"WAYPOST_ENV", "WAYPOST_DATA", "SECRET_KEY", "DATABASE_URL", "REDIS_URL"} <= read_by_settings()


def test_variable_that_is_read_has_one_row_and_no_other_has_one() -> None:
    assert sorted(ROW.findall(PAGE.read_text())) == sorted(read_by_settings())


def test_variable_on_the_front_page_is_read_by_the_settings() -> None:
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `")]
    named = {name for line in rows for name in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", line)}
    assert "WAYPOST_ENV" in named
    assert named <= read_by_settings()
