"""Keep the configuration in files: export it as YAML, compare it with what is there, and apply it.

A file has event types, endpoints with their subscriptions, and schedules. Each is known by its ``uid`` (event types by
their name): what has none gets its id on export, and cannot be created anew from it. Secrets are never exported.
"""

import difflib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from waypost_client.cli.command import Context, Differs, argument, command
from waypost_client.client import Client

FILE = argument("file", type=Path, help="YAML, as `waypost export` prints it")
# Fields of each resource that are configuration; the others are state, or computed.
FIELDS = {
    "event_types": ("name", "description", "group", "deprecated", "schema_check"),
    "endpoints": (
        *("uid", "type", "url", "settings", "description", "metadata", "labels", "state", "rate_limit", "rate_period"),
        *("timeout", "content_mode", "ordering", "retry_plan", "batch"),
    ),
    "schedules": (
        *("uid", "description", "group", "expression", "timezone", "start_at", "end_at", "flexible_window_minutes"),
        *("state", "action_after_completion", "catch_up", "event"),
    ),
}
KEYS = {"event_types": "name", "endpoints": "uid", "schedules": "uid"}
SUBSCRIPTION = ("event_types", "pattern", "transformer", "description", "active")
EMPTY: tuple[Any, ...] = (None, "", [], {})


class Step(NamedTuple):
    """One thing to do: ``action`` is create, change or delete."""

    action: str
    kind: str
    key: str
    wanted: Any
    before: str
    after: str


def read(client: Client) -> dict[str, list[dict[str, Any]]]:
    """Return the configuration that is there."""
    subscriptions: dict[str, list[dict[str, Any]]] = {}
    for one in client.list_subscriptions():
        if one.get("endpoint"):
            subscriptions.setdefault(str(one["endpoint"]), []).append(_kept(one, SUBSCRIPTION))
    endpoints = []
    for each in client.list_endpoints():
        kept = _kept(each, FIELDS["endpoints"])
        kept.setdefault("uid", each["id"])
        kept["subscriptions"] = sorted(subscriptions.get(each["id"], []), key=str)
        endpoints.append(kept)
    return {
        "event_types": [
            _kept(it, FIELDS["event_types"])
            for it in client.list_event_types()
            if not it["name"].startswith("waypost.")
        ],
        "endpoints": endpoints,
        "schedules": [{"uid": it["id"], **_kept(it, FIELDS["schedules"])} for it in client.list_schedules()],
    }


def _kept(item: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: item[name] for name in names if name in item and item[name] not in EMPTY}


def text_of(configuration: Any) -> str:
    """Return the configuration as YAML, always in the same order."""
    return str(yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True, width=110))


def load(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the configuration of a file. Raises ValueError that says where it is wrong."""
    found = yaml.safe_load(path.read_text())
    if not isinstance(found, dict) or not set(found) <= set(KEYS):
        raise ValueError(f"{path}: the members must be {', '.join(KEYS)}")
    for kind, items in found.items():
        for number, item in enumerate(items or []):
            if not isinstance(item, dict) or not item.get(KEYS[kind]):
                raise ValueError(f"{path}: {kind}[{number}] needs {KEYS[kind]}")
    return {kind: list(items or []) for kind, items in found.items()}


def steps(
    wanted: dict[str, list[dict[str, Any]]], there: dict[str, list[dict[str, Any]]], *, prune: bool
) -> Iterator[Step]:
    """Yield what has to be done so that what is there is what is wanted. ``prune``: delete what the file leaves out."""
    for kind, items in wanted.items():
        found = {it[KEYS[kind]]: it for it in there[kind]}
        for item in items:
            key = item[KEYS[kind]]
            before = text_of(_comparable(found[key])) if key in found else ""
            after = text_of({**_comparable(found.get(key, {})), **_comparable(item)})
            if before != after:
                yield Step("change" if key in found else "create", kind, key, item, before, after)
        if prune:
            for key in found.keys() - {it[KEYS[kind]] for it in items}:
                yield Step("delete", kind, key, None, text_of(found[key]), "")


def _comparable(item: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in item.items() if value not in EMPTY}
    if "subscriptions" in kept:
        active = (
            {name: it[name] for name in it if (name, it[name]) != ("active", True)} for it in kept["subscriptions"]
        )
        kept["subscriptions"] = sorted(active, key=str)
    return kept


@command("export", "print the configuration as YAML: event types, endpoints with subscriptions, schedules")
def export(context: Context) -> None:
    """Print it."""
    found = read(context.client)
    context.output.one(found, text_of(found).rstrip())


@command("diff", "say what `apply` would do", FILE, argument("--prune", action="store_true", help="with --prune"))
def diff(context: Context) -> None:
    """Print the differences. Ends with the status 1 if there are any, as diff does."""
    found = list(steps(load(context.arguments.file), read(context.client), prune=context.arguments.prune))
    for step in found:
        lines = difflib.unified_diff(
            step.before.splitlines(), step.after.splitlines(), "there", "wanted", lineterm="", n=1
        )
        text = "\n".join([f"{step.action} {step.kind} {step.key}", *list(lines)[2:]])
        context.output.one({"action": step.action, "kind": step.kind, "key": step.key}, text)
    if found:
        raise Differs


@command(
    "apply",
    "create and change what a file says; what is there already is left alone",
    FILE,
    argument("--prune", action="store_true", help="delete what the file leaves out, of the kinds that it has"),
    changes=True,
)
def apply(context: Context) -> None:
    """Do the steps, each by its own request; a repeated run does what is left."""
    count = 0
    for step in steps(load(context.arguments.file), read(context.client), prune=context.arguments.prune):
        _do(context.client, step)
        count += 1
        context.output.one(
            {"action": step.action, "kind": step.kind, "key": step.key}, f"{step.action} {step.kind} {step.key}"
        )
    context.output.note(f"{count} changes")


def _do(client: Client, step: Step) -> None:
    key, wanted = step.key, step.wanted
    fixed = (KEYS[step.kind], "type") if step.kind == "endpoints" else (KEYS[step.kind],)
    changes: Any = {name: value for name, value in (wanted or {}).items() if name not in fixed}
    calls: dict[str, dict[str, Callable[[], Any]]] = {
        "event_types": {
            "create": lambda: client.create_event_type(wanted),
            "change": lambda: client.change_event_type(key, changes),
            "delete": lambda: client.delete_event_type(key),
        },
        "endpoints": {
            "create": lambda: client.create_endpoint(wanted),
            "change": lambda: _change_endpoint(client, key, changes),
            "delete": lambda: client.delete_endpoint(key),
        },
        "schedules": {
            "create": lambda: client.create_schedule(wanted),
            "change": lambda: client.change_schedule(key, changes),
            "delete": lambda: client.delete_schedule(key),
        },
    }
    calls[step.kind][step.action]()


def _change_endpoint(client: Client, key: str, changes: dict[str, Any]) -> None:
    """Change an endpoint, then create the subscriptions that are missing before those that are too many are deleted."""
    wanted = changes.pop("subscriptions", None)
    if changes:
        client.change_endpoint(key, changes)  # type: ignore[arg-type]
    if wanted is None:
        return
    endpoint = client.get_endpoint(key)["id"]
    there = [it for it in client.list_subscriptions() if it.get("endpoint") == endpoint]
    texts = [text_of(_subscription(it)) for it in there]
    missing = [it for it in wanted if text_of(_subscription(it)) not in texts]
    for one in missing:
        body: Any = {**one, "endpoint": endpoint}
        client.create_subscription(body)
    kept = {text_of(_subscription(it)) for it in wanted}
    for each, text in zip(there, texts, strict=True):
        if text not in kept:
            client.delete_subscription(each["id"])


def _subscription(item: Any) -> dict[str, Any]:
    kept = _kept(item, SUBSCRIPTION)
    return {name: kept[name] for name in kept if (name, kept[name]) != ("active", True)}


@command("schedules", "list schedules", argument("--limit", type=int, default=20, help="at most so many (default 20)"))
def schedules(context: Context) -> None:
    """List."""
    found = (it for number, it in enumerate(context.client.list_schedules()) if number < context.arguments.limit)
    context.output.table(found, ("id", "uid", "expression", "timezone", "state", "next_at"))
