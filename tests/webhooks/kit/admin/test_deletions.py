"""The page that asks before a deletion says in words what is deleted."""

from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType

from config.access.recovery_codes import add_recovery_code
from webhooks.kit.admin.deletions import MAX_NAMED, in_words

pytestmark = pytest.mark.django_db


def flat(lines: Any) -> list[str]:
    """Return nested lines one below the other."""
    return [text for line in lines for text in (flat(line) if isinstance(line, list) else [str(line)])]


def make_user(name: str) -> User:
    return User.objects.create_user(name, password="x" * 12)


def test_links_of_a_group_are_counted_and_their_other_ends_named() -> None:
    group = Group.objects.create(name="night shift")
    permissions = list(Permission.objects.order_by("id")[: MAX_NAMED + 2])
    group.permissions.set(permissions)
    group.user_set.set([make_user("ada"), make_user("bob")])
    lines, counts = in_words([group])
    assert "night shift" in flat(lines)[0]
    assert sorted(flat(lines)[1:]) == [
        f"Link to {MAX_NAMED + 2} permissions, which stay: {', '.join(map(str, permissions[:MAX_NAMED]))} and 2 more",
        "Link to 2 users, which stay: ada, bob",
    ]
    assert counts == {"links": MAX_NAMED + 4, "groups": 1}


def test_link_of_a_user_names_its_group() -> None:
    user = make_user("ada")
    user.groups.add(Group.objects.create(name="night shift"))
    lines, _ = in_words(User.objects.filter(pk=user.pk))
    assert flat(lines)[1:] == ["Link to 1 group, which stays: night shift"]


def test_rows_without_a_text_are_counted() -> None:
    user = make_user("ada")
    add_recovery_code(user), add_recovery_code(user)
    lines, counts = in_words([user])
    assert flat(lines)[1:] == ["Static device: recovery codes (ada)", "2 recovery codes"]
    assert counts["recovery codes"] == 2


def test_text_of_a_row_is_escaped() -> None:
    lines, _ = in_words([Group.objects.create(name="<b>")])
    assert "<b>" not in flat(lines)[0]
    assert "&lt;b&gt;" in flat(lines)[0]


def test_rows_below_a_row_are_listed_below_it() -> None:
    user = make_user("ada")
    kind = ContentType.objects.get_for_model(Group)
    LogEntry.objects.create(user=user, content_type=kind, object_repr="night shift", action_flag=CHANGE)
    (first, below), _ = in_words([user])
    assert "ada" in str(first)
    assert len(below) == 1
    assert "night shift" in below[0]


def test_no_rows_delete_nothing() -> None:
    assert in_words(Group.objects.none()) == ([], {})
