"""The list for whoever installs the app ``webhooks`` alone is whole, and of the versions that are tested here."""

import ast
import re
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
APP = ROOT / "webhooks"
OPTIONAL = {"unfold"}  # used where it is installed


def pinned(path: Path) -> dict[str, str]:
    lines = re.findall(r"^([A-Za-z0-9_.-]+)(?:\[.*\])?==(\S+)", path.read_text(), re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in lines}


def imported() -> set[str]:
    """The first name of everything any module of the app imports."""
    names: set[str] = set()
    for path in APP.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(str(node.module).partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"webhooks"} - OPTIONAL


def test_everything_the_app_imports_is_on_its_list() -> None:
    listed, offered = pinned(APP / "requirements.txt"), metadata.packages_distributions()
    for name in imported():
        names = {re.sub(r"[-_.]+", "-", package).lower() for package in offered[name]}
        assert names & listed.keys(), f"{name} is imported, and none of {names} is listed"


def test_its_versions_are_those_of_the_whole() -> None:
    whole = pinned(ROOT / "requirements.txt")
    assert pinned(APP / "requirements.txt").items() <= whole.items()
