"""Find the ids that exist on a running platform, for each name in a path, so that fuzzing reaches existing rows.

A generated id is not found, and then the operation's handling of its input stays untested.
"""

import urllib.request
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import orjson

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
EXCLUDED = {"delete"}  # after a delete, the other operations would not find the row
OWN_KEYS = "/api/v1/keys/{ref}/rotate/"  # rotated without an overlap, the key of the fuzzer would stop working


def reader(address: str) -> Callable[[str, str], Any]:
    """Return a function that reads a path with a key, and caches the result."""

    @cache
    def read(path: str, key: str) -> Any:
        headers = {"authorization": f"Bearer {key}", "accept": "application/json"}
        with DIRECT.open(urllib.request.Request(address + path, headers=headers), timeout=60) as response:
            return orjson.loads(response.read())

    return read


def tenants(address: str, keys: Iterable[str]) -> list[str]:
    """Return the ids of the tenants of these keys."""
    return [it["id"] for key in keys for it in _rows(reader(address)("/api/v1/tenants/", key))]


def existing_ids(address: str, keys: Iterable[str]) -> dict[tuple[str, str], dict[str, list[str]]]:
    """Return by method and path the existing ids for each name in the path."""
    read = reader(address)
    paths: Mapping[str, Mapping[str, Any]] = read("/api/v1/schema/", "")["paths"]
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for path, item in paths.items():
        known: dict[str, list[str]] = {}
        for key in keys:
            for name, id_ in _named(path, paths, lambda above, key=key: read(above, key)).items():
                known.setdefault(name, []).append(id_)
        methods = item.keys() - EXCLUDED if path != OWN_KEYS else set()
        found |= {(method, path): known for method in methods if known}
    return found


def _named(path: str, paths: Mapping[str, Mapping[str, Any]], read: Any) -> dict[str, str]:
    """Return for each name in this path the newest id of its list; empty if a list has no rows."""
    named: dict[str, str] = {}
    steps = path.strip("/").split("/")
    for place, step in enumerate(steps):
        if not step.startswith("{"):
            continue
        above = f"/{'/'.join(steps[:place])}/"
        rows = _rows(read(above.format_map(named))) if "get" in paths.get(above, {}) else []
        if not rows or "id" not in rows[0]:
            return {}
        named[step.strip("{}")] = rows[0]["id"]
    return named


def _rows(response: Any) -> list[dict[str, Any]]:
    return list(response["data"] if isinstance(response, dict) else response)
