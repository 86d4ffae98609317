"""The plan of the rooms: which room may import which, read from the imports themselves.

``ROOMS`` is the plan. Each line names a room and the rooms it may import besides itself. Rooms are listed from the
ground floor up, so an import always points to a line further up.
``docs/why/architecture.md`` shows the same plan as a picture, made by ``picture()`` below.
"""

import ast
import graphlib
import os
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings
from django.urls import get_resolver
from django.utils.module_loading import import_string

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("webhooks", "subscriptions", "delivery", "config")
PICTURE = ROOT / "docs" / "why" / "architecture.md"

GROUND = "webhooks.wire webhooks.kit webhooks.outgoing webhooks.version"  # what the receiver and the provider share
RECEIVER = "webhooks.telemetry webhooks.metrics webhooks.models"
WORK = "webhooks.sources webhooks.processing webhooks.receiving"
AUDIT = "webhooks.audit webhooks.audit.models"
TENANTS = "subscriptions.errors subscriptions.models subscriptions.tenants"
TENANCY = f"{TENANTS} subscriptions.masking subscriptions.endpoints subscriptions.routing"
DELIVERY = "delivery.models delivery.telemetry delivery.metrics delivery.sql delivery.notify"

# Room: the rooms it may import. The longest name that fits a module is its room.
ROOMS = {
    # the ground floor
    "webhooks.version": "",
    "webhooks.wire": "",
    "webhooks.kit": "webhooks.wire webhooks.version",
    "webhooks.outgoing": "webhooks.wire webhooks.kit webhooks.version",
    # the receiver
    "webhooks.schemes": "webhooks.wire",
    "webhooks.senders": "webhooks.wire",
    "webhooks.telemetry": "webhooks.wire",
    "webhooks.metrics": "webhooks.kit",
    "webhooks.sources.models": "webhooks.wire webhooks.kit",
    "webhooks.sources.hour_models": "webhooks.kit webhooks.sources.models",
    "webhooks.receiving.models": "webhooks.wire webhooks.kit webhooks.sources.models",
    "webhooks.processing.models": "webhooks.wire webhooks.kit webhooks.sources.models",
    "webhooks.readers.models": "webhooks.wire webhooks.kit webhooks.sources.models",
    "webhooks.encryption.models": "",
    "webhooks.audit.models": "webhooks.kit",
    "webhooks.models": "webhooks.audit.models webhooks.encryption.models webhooks.sources.models "
    "webhooks.sources.hour_models webhooks.receiving.models webhooks.processing.models webhooks.readers.models",
    "webhooks.sources.kinds": GROUND,
    "webhooks.encryption": "webhooks.kit webhooks.telemetry",
    "webhooks.audit": "webhooks.wire webhooks.kit webhooks.audit.models",
    "webhooks.checks": "",
    "webhooks.defaults": "",
    "webhooks.schedule": "webhooks.kit.periodic_task",
    "webhooks.host.logs": "",
    "webhooks.host.project": "",
    "webhooks.sources": f"{GROUND} {RECEIVER} webhooks.schemes webhooks.senders webhooks.sources.kinds",
    "webhooks.processing": f"{GROUND} {RECEIVER} webhooks.sources",
    "webhooks.receiving": f"{GROUND} {RECEIVER} webhooks.schemes webhooks.senders webhooks.sources webhooks.processing",
    "webhooks.readers": f"{GROUND} {RECEIVER} webhooks.sources.models {WORK} webhooks.sources.kinds",
    "webhooks.conditions": f"{GROUND} {RECEIVER} webhooks.sources.models webhooks.sources",
    "webhooks.cloudevents": "webhooks.wire webhooks.models",
    "webhooks.pytest_plugin": "webhooks.models webhooks.testing",
    "webhooks.testing": f"{GROUND} {RECEIVER} {WORK} webhooks.schemes webhooks.sources webhooks.cloudevents",
    "webhooks.inbound_urls": "webhooks.receiving",
    "webhooks.tasks": "webhooks.kit webhooks.audit webhooks.encryption webhooks.schedule webhooks.processing "
    "webhooks.readers",
    "webhooks.api": f"{GROUND} {RECEIVER} {WORK} {AUDIT} webhooks.senders webhooks.sources.models "
    "webhooks.inbound_urls webhooks.readers webhooks.sources.kinds",
    "webhooks.admin": f"{GROUND} {RECEIVER} {WORK} {AUDIT} webhooks.schemes webhooks.senders webhooks.api "
    "webhooks.readers webhooks.sources.kinds",
    "webhooks.templatetags": "webhooks.kit",
    "webhooks.management": "webhooks.kit webhooks.processing webhooks.api",
    "webhooks.apps": "webhooks.kit webhooks.checks webhooks.defaults webhooks.host.project webhooks.host.logs "
    "webhooks.processing",
    # the provider: tenants and what they want
    "subscriptions.errors": "webhooks.kit",
    "subscriptions.models": f"{GROUND} subscriptions.tenants.models subscriptions.tenants.roles "
    "subscriptions.endpoints.models subscriptions.endpoints.destinations.models subscriptions.endpoints.http.models "
    "subscriptions.routing.models "
    "subscriptions.routing.grant_models subscriptions.event_types.models subscriptions.inspectors.models "
    "subscriptions.masking.models subscriptions.portal_access.models",
    "subscriptions.tenants": f"{GROUND} subscriptions.errors subscriptions.models",
    "subscriptions.json_limits": "subscriptions.errors",
    "subscriptions.search": "webhooks.kit",
    "subscriptions.masking": f"{GROUND} {TENANTS} subscriptions.json_limits",
    "subscriptions.endpoints": f"{GROUND} {TENANTS} subscriptions.masking",
    "subscriptions.routing": f"{GROUND} {TENANTS} subscriptions.masking subscriptions.endpoints",
    "subscriptions.validation": f"{GROUND} subscriptions.errors subscriptions.routing subscriptions.json_limits",
    "subscriptions.event_types": f"{GROUND} {TENANCY} subscriptions.json_limits subscriptions.validation",
    "subscriptions.inspectors": f"{GROUND} {TENANTS} subscriptions.endpoints",
    "subscriptions.portal_access": f"{GROUND} {TENANTS} subscriptions.endpoints",
    "subscriptions.connectors": f"{GROUND} {TENANCY} subscriptions.validation",
    "subscriptions.defaults": "",
    "subscriptions.schedule": "webhooks.kit.periodic_task",
    "subscriptions.registration": f"{GROUND} {TENANCY} subscriptions.validation",
    "subscriptions.svix_import": f"{GROUND} {TENANCY} subscriptions.validation subscriptions.registration",
    "subscriptions.tasks": "webhooks.kit subscriptions.schedule subscriptions.tenants subscriptions.inspectors "
    "subscriptions.portal_access",
    "subscriptions.api": f"{GROUND} {TENANCY} subscriptions.validation subscriptions.event_types "
    "subscriptions.inspectors subscriptions.connectors subscriptions.portal_access webhooks.audit",
    "subscriptions.admin": f"{GROUND} {TENANCY} webhooks.audit subscriptions.search subscriptions.validation "
    "subscriptions.event_types subscriptions.inspectors subscriptions.connectors",
    "subscriptions.management": f"{GROUND} {TENANCY} subscriptions.validation subscriptions.event_types "
    "subscriptions.registration subscriptions.svix_import subscriptions.portal_access",
    "subscriptions.apps": "webhooks.kit webhooks.host.project subscriptions.defaults",
    # the provider: what is due, and its delivery
    "delivery.defaults": "",
    "delivery.schedule": "webhooks.kit.periodic_task webhooks.schedule subscriptions.schedule",
    "delivery.checks": "delivery.schedule",
    "delivery.usage_models": "",
    "delivery.broadcasting.models": "webhooks.kit",
    "delivery.lifecycle.models": "webhooks.kit subscriptions.models",
    "delivery.load.roles": "",
    "delivery.load.models": "delivery.load.roles",
    "delivery.figures.models": "",
    "delivery.schedules.models": "webhooks.kit",
    "delivery.alerts.models": "webhooks.kit",
    "delivery.fan_out.models": "webhooks.wire subscriptions.models",
    "delivery.lanes.models": "webhooks.wire subscriptions.models",
    "delivery.replaying.models": "webhooks.kit subscriptions.models",
    "delivery.event_values": "",
    "delivery.archiving.models": "subscriptions.models",
    "delivery.operational.models": "webhooks.wire subscriptions.models",
    "delivery.models": f"{GROUND} subscriptions.models delivery.usage_models delivery.load.models "
    "delivery.figures.models "
    "delivery.broadcasting.models delivery.schedules.models delivery.alerts.models delivery.operational.models "
    "delivery.archiving.models delivery.lanes.models delivery.lifecycle.models delivery.replaying.models "
    "delivery.fan_out.models "
    "delivery.event_values",
    "delivery.sql": f"{GROUND} subscriptions.models delivery.models delivery.transports.outcome",
    "delivery.transports": f"{GROUND} {TENANCY} delivery.sql delivery.telemetry",
    "delivery.destinations": f"{GROUND} subscriptions.endpoints delivery.transports",
    "delivery.telemetry": f"{GROUND} delivery.models",
    "delivery.metrics": "webhooks.kit delivery.models",
    "delivery.notify": f"{GROUND} delivery.sql delivery.telemetry",
    "delivery.load": f"{GROUND} {DELIVERY}",
    "delivery.operational": f"{GROUND} {TENANCY} {DELIVERY}",
    "delivery.archiving": f"{GROUND} {TENANTS} {DELIVERY}",
    "delivery.fan_out": f"{GROUND} {TENANCY} {DELIVERY} delivery.operational",
    "delivery.publishing": f"{GROUND} {TENANCY} subscriptions.event_types {DELIVERY} delivery.operational "
    "delivery.fan_out delivery.load",
    "delivery.lanes": f"{GROUND} {TENANCY} {DELIVERY} delivery.transports.outcome delivery.operational",
    "delivery.sending": f"{GROUND} {TENANCY} {DELIVERY} delivery.load delivery.transports delivery.operational "
    "delivery.lanes",
    "delivery.pulling": f"{GROUND} {TENANCY} {DELIVERY} delivery.transports delivery.destinations "
    "delivery.operational delivery.sending",
    "delivery.single_attempts": f"{GROUND} {TENANCY} subscriptions.event_types {DELIVERY} delivery.transports "
    "delivery.fan_out",
    "delivery.pytest_plugin": f"{GROUND} subscriptions.models delivery.testing delivery.models",
    "delivery.testing": f"{GROUND} subscriptions.models {DELIVERY}",
    "delivery.reading": f"{GROUND} {TENANCY} subscriptions.search subscriptions.event_types {DELIVERY} delivery.load "
    "delivery.transports "
    "delivery.operational "
    "delivery.publishing delivery.lanes delivery.sending subscriptions.connectors",
    "delivery.figures": f"{GROUND} {TENANCY} {DELIVERY} delivery.operational delivery.lanes delivery.sending "
    "delivery.reading "
    "delivery.transports.outcome",
    "delivery.replaying": f"{GROUND} {TENANCY} {DELIVERY} delivery.archiving delivery.operational delivery.fan_out "
    "delivery.reading",
    "delivery.broadcasting": f"{GROUND} {TENANCY} {DELIVERY} delivery.publishing delivery.replaying",
    "delivery.schedules.expressions": "webhooks.wire",
    "delivery.schedules": f"{GROUND} {TENANCY} {DELIVERY} delivery.publishing delivery.schedules.expressions",
    "delivery.lifecycle": f"{GROUND} {TENANCY} {DELIVERY} delivery.archiving delivery.operational "
    "delivery.publishing delivery.lanes "
    "delivery.sending delivery.pulling delivery.reading delivery.replaying delivery.transports.outcome",
    "delivery.alerts": f"{GROUND} {TENANCY} subscriptions.connectors {DELIVERY} delivery.operational "
    "delivery.publishing delivery.lanes delivery.sending delivery.load delivery.reading",
    "delivery.tasks": "webhooks.kit webhooks.encryption delivery.schedule delivery.sql delivery.operational "
    "delivery.fan_out delivery.figures "
    "delivery.sending delivery.replaying delivery.broadcasting delivery.schedules delivery.lifecycle delivery.alerts",
    "delivery.api": f"{GROUND} {TENANCY} subscriptions.api {DELIVERY} delivery.load delivery.transports "
    "delivery.fan_out delivery.publishing delivery.sending delivery.pulling delivery.single_attempts delivery.reading "
    "delivery.replaying delivery.broadcasting delivery.schedules delivery.lifecycle delivery.alerts delivery.figures "
    "delivery.archiving subscriptions.connectors",
    "delivery.admin": f"{GROUND} {TENANCY} webhooks.audit subscriptions.search subscriptions.admin {DELIVERY} "
    "delivery.load delivery.publishing delivery.single_attempts "
    "delivery.sending delivery.reading delivery.replaying delivery.schedules delivery.lifecycle delivery.alerts "
    "delivery.templatetags delivery.figures delivery.archiving subscriptions.connectors",
    "delivery.portal": f"{GROUND} {TENANTS} webhooks.audit subscriptions.portal_access subscriptions.api "
    "delivery.templatetags",
    "delivery.templatetags": "webhooks.kit webhooks.wire delivery.reading",
    "delivery.management": f"{GROUND} {TENANCY} {DELIVERY} delivery.replaying delivery.archiving",
    "delivery.apps": "webhooks.kit webhooks.host.project delivery.checks delivery.defaults",
    # the platform
    "config": " ".join(PACKAGES),
}
PURE = ("webhooks.wire", "webhooks.schemes", "webhooks.senders", "delivery.schedules.expressions")
FORBIDDEN_IN_PURE = ("django", "rest_framework", "celery", "requests", "urllib3", "pycurl", "socket", "time")
# Rooms without rules, which nothing else imports.
THIN = ("admin", "templatetags", "api", "urls", "tasks", "management", "portal")
# Folders of plug-ins, one file a kind: of any length.
PLUGINS = {"webhooks.schemes", "webhooks.sources.kinds", "delivery.destinations", "delivery.alerts.conditions"}
MOST_MODULES = 14  # side by side in one folder


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {
    module_name(path): path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
    if "migrations" not in path.parts
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def imports_of(name: str) -> list[tuple[str, int, bool]]:
    """Return what a module imports: (module, line, whether at the top of the file)."""
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


def is_under(name: str, roots: tuple[str, ...]) -> bool:
    return any(name == root or name.startswith(root + ".") for root in roots)


@cache
def room_of(name: str) -> str:
    """Return the room a module belongs to; an app's own ``__init__`` belongs to none."""
    return max((room for room in ROOMS if is_under(name, (room,))), key=len, default="")


def is_thin(name: str) -> bool:
    return any(part in THIN for part in name.split(".")[1:])


def picture() -> str:
    """Draw the rooms and their imports as a Mermaid graph."""
    rooms = [room for room in ROOMS if room.count(".") == 1 and (ROOT / room.replace(".", "/")).is_dir()]
    lines = ["```mermaid", "graph BT"]
    for app in PACKAGES[:-1]:
        inside = [room for room in rooms if room.startswith(f"{app}.")]
        lines += [
            f"    subgraph {app}",
            *(f'        {key(room)}["{room.split(".")[1]}/"]' for room in inside),
            "    end",
        ]
    for room in rooms:
        members = [name for name in SOURCES if room_of(name) == room]
        imported = {
            room_of(target) for name in members for target, _, _ in imports_of(name) if is_under(target, PACKAGES)
        }
        lines += [f"    {key(room)} --> {key(target)}" for target in sorted(imported & set(rooms) - {room})]
    return "\n".join([*lines, "```"])


def key(room: str) -> str:
    return room.replace(".", "_")


def test_module_imports_only_the_rooms_its_room_may_import():
    breaches = []
    for name in SOURCES:
        room = room_of(name)
        allowed = (room, *ROOMS[room].split()) if room else ()
        breaches += [
            f"{name}:{line} imports {target}"
            for target, line, _ in imports_of(name)
            if is_under(target, PACKAGES) and not is_under(target, allowed)
        ]
    assert breaches == []


def test_imports_stand_at_the_top_of_the_file():
    assert [f"{name}:{line}" for name in SOURCES for _, line, at_top in imports_of(name) if not at_top] == []


def test_thin_rooms_are_imported_by_thin_rooms_only():
    others = [name for name in SOURCES if not is_thin(name) and not is_under(name, ("config",))]
    ours = [(name, target) for name in others for target, _, _ in imports_of(name) if is_under(target, PACKAGES)]
    assert [f"{name} imports {target}" for name, target in ours if is_thin(target)] == []


def test_pure_modules_import_no_framework_clock_or_network():
    pure = [name for name in SOURCES if is_under(name, PURE)]
    found = [(name, target) for name in pure for target, _, _ in imports_of(name)]
    assert pure
    assert [f"{name} imports {target}" for name, target in found if is_under(target, FORBIDDEN_IN_PURE)] == []


def test_modules_form_no_circle():
    graph = {name: {target for target, _, _ in imports_of(name) if target in SOURCES} - {name} for name in SOURCES}
    list(graphlib.TopologicalSorter(graph).static_order())


def test_importing_wire_and_schemes_does_not_load_django():
    modules = "webhooks.wire.signing, webhooks.wire.cloudevents, webhooks.schemes"
    script = f"import sys, {modules}; print('django' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_every_folder_says_what_belongs_there():
    silent = {name for name, path in SOURCES.items() if path.name == "__init__.py" and not docstring(path)}
    named_by_django = {name for name in SOURCES if is_under(name, ("config.formats",)) or ".management" in name}
    assert silent - named_by_django == set()


def docstring(path: Path) -> str | None:
    return ast.get_docstring(ast.parse(path.read_text()))


def test_folders_stay_small():
    folders: dict[str, int] = {}
    for name, path in SOURCES.items():
        if path.name != "__init__.py":
            folder = name.rpartition(".")[0]
            folders[folder] = folders.get(folder, 0) + 1
    assert {name: count for name, count in folders.items() if count > MOST_MODULES and name not in PLUGINS} == {}


def test_no_module_has_a_name_that_says_nothing():
    drawers = {"utils", "helpers", "common", "manager", "managers", "base", "services", "misc"}
    named_by_django = {"config.postgresql.base"}  # a database backend has no choice
    assert [name for name in SOURCES.keys() - named_by_django if name.rsplit(".", 1)[-1] in drawers] == []


def test_no_module_is_named_after_the_standard_library():
    # A module called `types` shadows nothing inside a package, but its imports read like the standard library's.
    assert [name for name in SOURCES if name.rsplit(".", 1)[-1] in sys.stdlib_module_names - {"secrets", "http"}] == []


def test_top_level_holds_no_other_package():
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == {*PACKAGES, "tests"}


def test_architecture_page_shows_the_picture_of_the_code():
    """Run with WAYPOST_WRITE_PICTURE=1 to write the picture anew."""
    page = PICTURE.read_text()
    before, _, rest = page.partition("```mermaid")
    after = rest.partition("```\n")[2]
    if os.environ.get("WAYPOST_WRITE_PICTURE"):
        PICTURE.write_text(f"{before}{picture()}\n{after}")
    assert picture() in PICTURE.read_text()


# What is wired by name resolves.


def test_every_url_leads_to_a_view():
    assert get_resolver().url_patterns


@pytest.mark.parametrize("setting", ["DEFAULT_AUTHENTICATION_CLASSES", "DEFAULT_PERMISSION_CLASSES"])
def test_every_class_named_for_the_api_resolves(setting):
    assert all(import_string(path) for path in settings.REST_FRAMEWORK[setting])


def test_every_entry_of_the_beat_schedule_is_a_task():
    current_app.loader.import_default_modules()
    current_app.finalize()
    assert current_app.conf.beat_schedule
    for entry in current_app.conf.beat_schedule.values():
        assert entry["task"] in current_app.tasks


def test_every_built_in_handler_resolves():
    registry = import_module("webhooks.processing.handler_registry")
    assert all(callable(import_string(path)) for path in registry.BUILT_IN.values())
