"""Check what is declared to be installed with the apps: complete, and nothing that only the platform needs."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = {"webhooks", "subscriptions", "delivery"}
OF_OTHERS = {"amqp": "celery", "redis": "celery", "yaml": "drf-spectacular"}  # installed with these
OF_TESTS = "testing"  # an extra that is not installed with the platform
READ_BY_OTHERS = {"tzdata"}  # by zoneinfo, of the standard library


def normalized(requirement: str) -> str:
    """Return the name of a requirement as package indexes compare names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement.strip(), maxsplit=1)[0]).lower()


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def declared(*extras: str) -> set[str]:
    """Return the names of what the receiver and these extras need."""
    offered = project()["optional-dependencies"]
    lines = [it for extra in ("receiver", *extras) for it in offered[extra]]
    return {normalized(line) for line in lines}


def ranges_of_the_platform() -> dict[str, str]:
    extras = project()["optional-dependencies"]
    lines = chain(*(lines for extra, lines in extras.items() if extra != OF_TESTS))
    return {normalized(line): line for line in lines}


def imported(app: str) -> set[str]:
    """Return the top-level name of everything any module of the app imports."""
    names: set[str] = set()
    for path in (ROOT / app).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(str(node.module).partition(".")[0])
    return names - set(sys.stdlib_module_names) - OURS


@pytest.mark.parametrize(
    ("app", "extras"),
    [
        ("webhooks", ["admin", "testing", "kafka", "nats"]),
        ("subscriptions", ["provider", "admin"]),
        ("delivery", ["provider", "admin", "testing", "kafka", "nats", "apprise"]),
    ],
)
def test_every_package_an_app_imports_is_declared_for_it(app: str, extras: list[str]) -> None:
    names, offered = declared(*extras), metadata.packages_distributions()
    for name in imported(app):
        packages = {normalized(package) for package in offered[name]} | {OF_OTHERS.get(name, name)}
        assert packages & names, f"{name} is imported, and none of {packages} is declared"


def test_every_extra_of_the_apps_is_imported_by_them() -> None:
    offered = metadata.packages_distributions()
    used = {normalized(package) for app in OURS for name in imported(app) for package in offered[name]}
    assert declared("provider", "admin", "kafka") - declared() - READ_BY_OTHERS <= used


def test_lock_file_pins_every_dependency_within_its_range() -> None:
    lock = (ROOT / "requirements.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9.-]+)(?:\[[^]]*\])?==(\S+)", lock, re.MULTILINE))
    assert ranges_of_the_platform().keys() <= locked.keys()
    for name, version in locked.items():
        if name in ranges_of_the_platform():
            assert metadata.version(name) == version
