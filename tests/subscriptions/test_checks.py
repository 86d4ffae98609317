"""Test the system check for what the admin pages of the provider need."""

import pytest
from django.apps import apps
from django.core.checks.registry import registry

from subscriptions.checks import check_admin


def test_check_admin_of_this_project_finds_nothing() -> None:
    assert check_admin in registry.registered_checks
    assert check_admin() == []


@pytest.mark.parametrize(("lacking", "ids"), [("unfold", ["subscriptions.I001"]), ("django.contrib.admin", [])])
def test_admin_without_unfold_is_told_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, lacking: str, ids: list[str]
) -> None:
    found = apps.is_installed
    monkeypatch.setattr(
        apps, "is_installed", lambda name: found(name) and lacking not in (name, name.partition(".")[0])
    )
    assert [it.id for it in check_admin()] == ids
