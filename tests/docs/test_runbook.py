"""The runbook by symptom (docs/how-to/operate.md) names metrics, settings, commands and messages that exist."""

import re
from functools import cache

import pytest
from django.core.management import get_commands
from django.urls import resolve

from tests.docs.blocks import ROOT
from tests.docs.test_commands import check_program
from webhooks.kit.notify import BROKER, DATABASE

PAGES = {"operate.md": "## By symptom", "upgrade.md": "### On a busy platform"}
OTHERS = {"kill -USR1", "GET /endpoints/.../status/", *(f"{it.name} unavailable" for it in (BROKER, DATABASE))}


def rows() -> list[str]:
    """Return the rows of the tables of symptoms."""
    found = []
    for page, heading in PAGES.items():
        text = (ROOT / "docs" / "how-to" / page).read_text().split(f"{heading}\n")[1].split("\n## ")[0]
        found += [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    return found


NAMED = sorted({name for row in rows() for name in re.findall(r"`([^`]+)`", row)})


@cache
def sources() -> str:
    apps = ("config", "delivery", "subscriptions", "webhooks")
    return "\n".join(path.read_text() for app in apps for path in (ROOT / app).rglob("*.py"))


@pytest.mark.parametrize("name", NAMED)
def test_name_in_the_runbook_exists(name: str) -> None:
    first = name.split()[0]
    if name.startswith("waypost_"):
        assert f"`{name}`" in (ROOT / "docs" / "reference" / "metrics.md").read_text()
    elif re.fullmatch(r"[A-Z]+(_[A-Z]+)+", name):
        assert f"| `{name}` |" in (ROOT / "docs" / "reference" / "settings.md").read_text()
    elif name.startswith("/"):
        assert resolve(name)
    elif first in get_commands() and name not in sources():
        check_program(["manage.py", *name.split()])
    elif name not in OTHERS and not name.startswith(("SELECT ", "--")):
        words = [it.strip(" ()") for it in re.split(r"\.\.\.|\d+|PID", name)]
        assert [it for it in words if it and it not in sources()] == []


def test_every_symptom_says_where_to_look_and_what_to_do() -> None:
    assert len(rows()) > 15
    assert [row for row in rows() if len([it for it in row.strip("| ").split(" | ") if it.strip()]) < 2] == []
