"""List the connectors: one for each JSON file in this folder."""

import json
from functools import cache
from pathlib import Path

from subscriptions.connectors.connector import CATEGORIES, Connector, read_connector

_FOLDER = Path(__file__).parent


@cache
def _connectors() -> dict[str, Connector]:
    files = sorted(_FOLDER.glob("*.json"))
    read = [read_connector(it.stem, json.loads(it.read_text(encoding="utf-8"))) for it in files]
    places = list(CATEGORIES)
    return {it.name: it for it in sorted(read, key=lambda it: (places.index(it.category), it.label.lower()))}


def list_connectors() -> list[Connector]:
    """Return all connectors, by category and label."""
    return list(_connectors().values())


def find_connector(name: str) -> Connector | None:
    """Return a connector by name; None if there is none."""
    return _connectors().get(name)
