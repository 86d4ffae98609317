"""Check that every setting that an app reads has a default in that app or below, the one of the platform."""

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("webhooks", "subscriptions", "delivery")  # each with the defaults of those before it
REQUIRED = {"WAYPOST_ENCRYPTION_KEYS"}  # has none: `manage.py check` asks for it
OF_DJANGO = re.compile(r"(?!WAYPOST_|PUBLIC_URL)")
ALLOWED_BY_THE_PLATFORM = {  # differ on purpose: the platform knows its own address, machine and web server
    *("PUBLIC_URL", "WAYPOST_ALLOW_SELF", "WAYPOST_DEFAULT_WORKERS", "WAYPOST_EXPENSIVE_REQUESTS"),
    *("WAYPOST_HANDLERS", "WAYPOST_PREPARE_STATEMENTS", "WAYPOST_STATEMENT_SECONDS", "WAYPOST_WEB_THREADS"),
    *("WAYPOST_WEB_WORKERS", "WAYPOST_PROBLEM_TYPES", "WAYPOST_DATA"),
}


def defaults_of(app: str) -> dict[str, object]:
    defaults: dict[str, object] = import_module(f"{app}.defaults").DEFAULTS
    return defaults


def read_by(app: str) -> set[str]:
    """Return the names X of every ``settings.X`` and ``getattr(settings, "X")`` in an app."""
    names: set[str] = set()
    for path in (ROOT / app).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "settings":
                names.add(node.attr)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
                owner, name, *_ = node.args
                if ast.unparse(owner) == "settings" and isinstance(name, ast.Constant):
                    names.add(name.value)
    return {name for name in names if name.isupper() and not OF_DJANGO.match(name)}


@pytest.mark.parametrize("app", APPS)
def test_every_setting_an_app_reads_has_a_default_in_it_or_below(app: str) -> None:
    known = {name for below in APPS[: APPS.index(app) + 1] for name in defaults_of(below)}
    assert read_by(app) - known - REQUIRED == set()


def test_no_setting_has_two_defaults() -> None:
    names = [name for app in APPS for name in defaults_of(app)]
    assert len(names) == len(set(names))


def test_defaults_are_those_of_the_platform() -> None:
    """Read from config/settings.py: its values in this process come from the environment too."""
    platform = {
        ast.literal_eval(node.args[0]): node.args[-1]
        for node in ast.walk(ast.parse((ROOT / "config" / "settings.py").read_text()))
        if isinstance(node, ast.Call) and len(node.args) > 1 and ast.unparse(node.func).startswith("env.")
    }
    compared = {name: value for app in APPS for name, value in defaults_of(app).items() if name in platform}
    for name in compared.keys() - ALLOWED_BY_THE_PLATFORM:
        assert eval(ast.unparse(platform[name])) == compared[name], name


def test_settings_page_lists_every_default_of_the_apps() -> None:
    page = (ROOT / "docs" / "reference" / "settings.md").read_text()
    assert [name for app in APPS for name in defaults_of(app) if not re.search(f"`{name}[` ]", page)] == []
