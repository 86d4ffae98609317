"""What there is to ask about: for each name in an address, the ids that the lists above it show to somebody.

An id that is made up leads nowhere, and nobody learns what the operation does with what it is given.
"""

import urllib.request
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import orjson

DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
LEFT_ALONE = {"delete"}  # of what is gone the other operations would learn nothing more
OWN_KEYS = "/api/v1/keys/{ref}/rotations/"  # rotated without an overlap, the key that asks would open nothing


def reader(address: str) -> Callable[[str, str], Any]:
    """Reads what is at a path with a key, once."""

    @cache
    def read(path: str, key: str) -> Any:
        headers = {"authorization": f"Bearer {key}", "accept": "application/json"}
        with DIRECT.open(urllib.request.Request(address + path, headers=headers), timeout=60) as answer:
            return orjson.loads(answer.read())

    return read


def tenants(address: str, keys: Iterable[str]) -> list[str]:
    """Whose keys these are."""
    return [it["id"] for key in keys for it in _rows(reader(address)("/api/v1/tenants/", key))]


def operations_on_what_there_is(address: str, keys: Iterable[str]) -> dict[tuple[str, str], dict[str, list[str]]]:
    """By method and path: of each name in the path, the ids to put there."""
    read = reader(address)
    paths: Mapping[str, Mapping[str, Any]] = read("/api/v1/schema/", "")["paths"]
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for path, item in paths.items():
        known: dict[str, list[str]] = {}
        for key in keys:
            for name, id_ in _named(path, paths, lambda above, key=key: read(above, key)).items():
                known.setdefault(name, []).append(id_)
        methods = item.keys() - LEFT_ALONE if path != OWN_KEYS else set()
        found |= {(method, path): known for method in methods if known}
    return found


def _named(path: str, paths: Mapping[str, Mapping[str, Any]], read: Any) -> dict[str, str]:
    """For each name in this path the newest id of the list above it, as far as there are lists and ids."""
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


def _rows(answer: Any) -> list[dict[str, Any]]:
    return list(answer["data"] if isinstance(answer, dict) else answer)
