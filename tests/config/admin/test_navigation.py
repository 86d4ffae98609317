"""The admin's navigation: every list that the user may see, in the order of what operators do."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.test import RequestFactory
from django.urls import reverse

from config.admin.navigation import GROUPS, navigation
from delivery.models import Delivery

pytestmark = pytest.mark.django_db


def shown(user: Any, path: str = "/admin/") -> dict[str, list[dict[str, Any]]]:
    request = RequestFactory().get(path)
    request.user = user
    return {it["title"]: it["items"] for it in navigation(request)}


def links(groups: dict[str, list[dict[str, Any]]]) -> set[str]:
    return {it["link"] for items in groups.values() for it in items}


def test_each_list_is_linked_once_and_groups_name_lists_that_exist() -> None:
    named = [label for labels in GROUPS.values() for label in labels]
    known = {it._meta.label_lower for it in admin.site._registry}
    assert set(named) <= known
    assert len(named) == len(set(named))
    groups = shown(User.objects.create_superuser("root"))
    assert [it for it in groups if it not in ("", "Other")] == [*GROUPS]
    assert len(links(groups)) == sum(map(len, groups.values())) == len(known) + 1


def test_only_lists_that_the_user_may_see_are_linked() -> None:
    user = User.objects.create_user("ops", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_delivery"))
    home, deliveries = reverse("admin:index"), reverse("admin:delivery_delivery_changelist")
    assert links(shown(user)) == {home, deliveries}
    assert links(shown(AnonymousUser())) == {home}


def test_list_in_no_group_is_in_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GROUPS, "Deliveries", ())  # type: ignore[arg-type]
    groups = shown(User.objects.create_superuser("root"))
    assert "Deliveries" not in groups
    assert list(groups)[-1] == "Other"
    assert reverse("admin:delivery_delivery_changelist") in {it["link"] for it in groups["Other"]}


def test_list_of_the_open_page_is_marked() -> None:
    page = reverse("admin:delivery_delivery_change", args=[Delivery().pk])
    groups = shown(User.objects.create_superuser("root"), page)
    assert [it["title"] for items in groups.values() for it in items if it["active"]] == ["Deliveries"]
