"""Test the system checks for what the receiver needs of its project."""

from typing import Any

import pytest
from django.core.checks.registry import registry

from webhooks.checks import check_project


def test_check_project_of_this_project_finds_nothing() -> None:
    assert check_project in registry.registered_checks
    assert check_project() == []


@pytest.mark.parametrize(
    ("setting", "value", "id"),
    [
        ("DATABASES", {"default": {"ENGINE": "django.db.backends.sqlite3"}}, "webhooks.E002"),
        ("DATABASES", {}, "webhooks.E002"),
        ("WAYPOST_ENCRYPTION_KEYS", [], "webhooks.E003"),
        ("WAYPOST_ENCRYPTION_KEYS", ["short"], "webhooks.E003"),
        ("WAYPOST_ENCRYPTION_KEYS", "a key, not a list of keys", "webhooks.E003"),
        ("WAYPOST_ENCRYPTION_KEYS", [7], "webhooks.E003"),
        ("STORAGES", {}, "webhooks.E004"),
    ],
)
def test_check_project_names_a_missing_part(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: object, id: str
) -> None:
    monkeypatch.setattr(f"django.conf.settings.{setting}", value)
    assert [problem.id for problem in check_project()] == [id]


def test_check_project_without_keys_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("django.conf.settings.WAYPOST_ENCRYPTION_KEYS")
    assert [problem.id for problem in check_project()] == ["webhooks.E003"]


class ToReplica:
    """A router that reads everything from a replica."""

    def db_for_read(self, model: object, **hints: object) -> str:
        return "replica"


class ToReplicaButWebhooks(ToReplica):
    def db_for_read(self, model: Any, **hints: object) -> str | None:
        return None if model._meta.app_label == "webhooks" else "replica"


@pytest.mark.parametrize(("routers", "ids"), [([ToReplica()], ["webhooks.E005"]), ([ToReplicaButWebhooks()], [])])
def test_check_project_names_a_router_that_sends_tables_of_the_receiver_elsewhere(
    monkeypatch: pytest.MonkeyPatch, routers: list[object], ids: list[str]
) -> None:
    monkeypatch.setattr("django.db.router.routers", routers)
    assert [problem.id for problem in check_project()] == ids
