"""The plan of the house (who may import whom), read from the imports themselves. It turns red on any breach.

Two wings that never import each other: the provider (``subscriptions``, then ``delivery``) and the receiver
(``webhooks``). They share the wire: ``webhooks.protocol`` and the guarded outgoing call, ``webhooks.egress``.
"""

import ast
import graphlib
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings
from django.urls import get_resolver
from django.utils.module_loading import import_string

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("webhooks", "subscriptions", "delivery", "config")
WIRE = ("webhooks.protocol", "webhooks.egress")

# Who may import what of ours; longest prefix first. Whatever is not named here may not be imported.
ALLOWED = {
    "webhooks.protocol": ("webhooks.protocol",),
    "webhooks.schemes": ("webhooks.protocol", "webhooks.schemes"),
    "webhooks.egress": ("webhooks.protocol", "webhooks.dial", "webhooks.lookup"),
    "webhooks": ("webhooks",),
    "subscriptions": (*WIRE, "subscriptions"),
    "delivery": (*WIRE, "subscriptions", "delivery"),
    "config": PACKAGES,
}
PURE = ("webhooks.protocol", "webhooks.schemes")
FORBIDDEN_IN_PURE = ("django", "rest_framework", "celery", "requests", "urllib3", "pycurl", "socket", "time")
DOORS = ("admin", "views", "urls", "tasks", "serializers", "forms", "management", "portal", "openapi")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    module_name(path): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if "migrations" not in path.parts
}


def imports_of(name: str) -> list[tuple[str, int, bool]]:
    """What a module imports: (module, line, at the top of the file)."""
    tree = ast.parse(SOURCES[name].read_text())
    inside = {id(node) for outer in ast.walk(tree) if isinstance(outer, FUNCTIONS) for node in ast.walk(outer)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno, id(node) not in inside) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno} imports relatively"
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                found.append((deeper if deeper in SOURCES else str(node.module), node.lineno, id(node) not in inside))
    return found


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def is_under(name: str, roots: tuple[str, ...]) -> bool:
    return any(name == root or name.startswith(root + ".") for root in roots)


def rule_for(name: str) -> tuple[str, ...]:
    return ALLOWED[max((root for root in ALLOWED if is_under(name, (root,))), key=len)]


def is_door(name: str) -> bool:
    return any(part in DOORS for part in name.split(".")[1:])


@pytest.mark.parametrize("name", SOURCES)
def test_calls_go_down(name):
    breaches = [
        f"{name}:{line} imports {target}"
        for target, line, _ in imports_of(name)
        if is_under(target, PACKAGES) and not is_under(target, rule_for(name))
    ]
    assert breaches == []


@pytest.mark.parametrize("name", SOURCES)
def test_imports_stand_at_the_top_of_the_file(name):
    assert [f"{name}:{line}" for _, line, at_top in imports_of(name) if not at_top] == []


@pytest.mark.parametrize("name", [name for name in SOURCES if not is_door(name) and not is_under(name, ("config",))])
def test_nothing_but_a_door_imports_a_door(name):
    ours = [target for target, _, _ in imports_of(name) if is_under(target, PACKAGES)]
    assert [target for target in ours if is_door(target)] == []


@pytest.mark.parametrize("name", [name for name in SOURCES if is_under(name, PURE)])
def test_the_wire_is_pure(name):
    assert [target for target, _, _ in imports_of(name) if is_under(target, FORBIDDEN_IN_PURE)] == []


def test_there_is_no_circle():
    graph = {name: {target for target, _, _ in imports_of(name) if target in SOURCES} - {name} for name in SOURCES}
    list(graphlib.TopologicalSorter(graph).static_order())


def test_importing_the_wire_does_not_load_django():
    modules = "webhooks.protocol.signing, webhooks.protocol.cloudevents, webhooks.schemes"
    script = f"import sys, {modules}; print('django' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_no_drawer_has_a_name_that_says_nothing():
    drawers = {"utils", "helpers", "common", "manager", "managers", "base", "services", "misc"}
    named_by_django = {"config.postgresql.base"}  # a database backend has no choice
    assert [name for name in SOURCES.keys() - named_by_django if name.rsplit(".", 1)[-1] in drawers] == []


def test_no_module_is_named_after_the_standard_library():
    # `types` and the like would shadow nothing inside a package, and still mislead whoever reads an import.
    assert [name for name in SOURCES if name.rsplit(".", 1)[-1] in sys.stdlib_module_names - {"secrets"}] == []


def test_the_top_level_holds_no_other_package():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == {*PACKAGES, "tests"}


# What is wired by name resolves.


def test_every_url_leads_to_a_view():
    assert get_resolver().url_patterns


@pytest.mark.parametrize("setting", ["DEFAULT_AUTHENTICATION_CLASSES", "DEFAULT_PERMISSION_CLASSES"])
def test_every_class_named_for_the_api_resolves(setting):
    assert all(import_string(path) for path in settings.REST_FRAMEWORK[setting])


def test_every_duty_of_beat_is_a_task():
    current_app.loader.import_default_modules()
    for entry in current_app.conf.beat_schedule.values():
        assert entry["task"] in current_app.tasks


def test_every_built_in_handler_resolves():
    choices = import_module("webhooks.choices")
    assert all(callable(import_string(path)) for path in choices.BUILT_IN.values())
