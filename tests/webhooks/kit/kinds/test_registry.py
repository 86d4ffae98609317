"""Test the registry of kinds: finding, listing, and what is not installed."""

from typing import Any

import pytest

from webhooks.kit.kinds.registry import HTTP, KindEntry, Registry
from webhooks.kit.kinds.setting import InvalidSettings, Setting
from webhooks.kit.kinds.system_kind import SystemKind


class Queue(SystemKind):
    """A kind that needs a module."""

    name = "queue"
    label = "Queue"
    description = "An event becomes a message."
    settings = (Setting("topic", "Topic", "Name of the topic."),)
    modules = ("json", "no_such_module")
    extra = "queues"


class Table(SystemKind):
    """A kind that needs nothing."""

    name = "table"
    label = "Table"
    description = "An event becomes a row."


def make_registry() -> Registry[Any, KindEntry]:
    files = {"table": f"{__name__}.Table", "queue": f"{__name__}.Queue", "absent": "no_such_file.Kind"}
    return Registry(files, KindEntry(HTTP, "HTTP", "A request."), field="type", owner="An endpoint of the type")


def test_find_returns_one_instance_of_each_kind_and_raises_for_an_unknown_name() -> None:
    kinds = make_registry()
    assert kinds.names() == ["http", "table", "queue", "absent"]
    assert kinds.find("table") is kinds.find("table")
    assert isinstance(kinds.find("table"), Table)
    with pytest.raises(KeyError):
        kinds.find("unknown")


def test_entries_are_all_kinds_with_the_modules_that_are_missing() -> None:
    http, table, queue, absent = make_registry().entries()
    assert (http.name, http.is_installed) == ("http", True)
    assert (table.label, table.settings, table.is_installed) == ("Table", (), True)
    assert (queue.settings, queue.extra, queue.missing) == (Queue.settings, "queues", ("no_such_module",))
    assert (absent.name, absent.missing, absent.is_installed) == ("absent", ("no_such_file",), False)


@pytest.mark.parametrize(("name", "module"), [("queue", "no_such_module"), ("absent", "no_such_file")])
def test_installed_refuses_a_kind_whose_module_is_missing_and_names_field_and_module(name: str, module: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        make_registry().installed(name)
    assert refused.value.problems["type"].startswith(f"An endpoint of the type {name} needs {module}, ")
    assert isinstance(make_registry().installed("table"), Table)
