"""Check the list for installing the app ``webhooks`` alone: complete, and in the ranges the platform is tested with."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
APP = ROOT / "webhooks"
OPTIONAL = {"unfold"}  # used where it is installed


def normalized(requirement: str) -> str:
    """Return the name of a requirement as package indexes compare names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement.strip(), maxsplit=1)[0]).lower()


def listed(path: Path) -> dict[str, str]:
    lines = [line.strip() for line in path.read_text().splitlines() if line.strip() and not line.startswith(("#", "-"))]
    return {normalized(line): line for line in lines}


def ranges_of_the_platform() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {normalized(line): line for line in project["dependencies"]}


def imported() -> set[str]:
    """Return the top-level name of everything any module of the app imports."""
    names: set[str] = set()
    for path in APP.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(str(node.module).partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"webhooks"} - OPTIONAL


def test_every_package_the_app_imports_is_listed() -> None:
    names, offered = listed(APP / "requirements.txt"), metadata.packages_distributions()
    for name in imported():
        packages = {normalized(package) for package in offered[name]}
        assert packages & names.keys(), f"{name} is imported, and none of {packages} is listed"


def test_ranges_of_the_app_are_those_of_the_platform() -> None:
    assert listed(APP / "requirements.txt").items() <= ranges_of_the_platform().items()


def test_lock_file_pins_every_dependency_within_its_range() -> None:
    lock = (ROOT / "requirements.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9.-]+)(?:\[[^]]*\])?==(\S+)", lock, re.MULTILINE))
    assert ranges_of_the_platform().keys() <= locked.keys()
    for name, version in locked.items():
        if name in ranges_of_the_platform():
            assert metadata.version(name) == version
