"""The table of what each role may do."""

from itertools import pairwise

import pytest

from subscriptions.tenants.roles import Role, allows


@pytest.mark.parametrize(
    ("permission", "first"),
    [
        ("delivery.view_event", "viewer"),
        ("subscriptions.view_apikey", "viewer"),
        ("delivery.view_payload", "support"),
        ("subscriptions.view_payload", "support"),
        ("webhooks.view_auditentry", "support"),
        ("delivery.add_replay", "operator"),
        ("webhooks.replay_receipt", "operator"),
        ("subscriptions.change_endpoint", "operator"),
        ("subscriptions.delete_endpoint", "administrator"),
        ("subscriptions.add_apikey", "administrator"),
        ("delivery.erase_event", "administrator"),
        ("delivery.add_event", "administrator"),
        ("auth.change_user", "administrator"),
        ("auth.view_group", "administrator"),
        ("webhooks.delete_auditentry", None),
        ("auth.add_permission", None),
        ("other.view_event", None),
        ("", None),
    ],
)
def test_permission_belongs_to_a_role_and_all_after_it(permission: str, first: str | None) -> None:
    names = Role.values
    expected = [] if first is None else names[names.index(first) :]
    assert [role for role in names if allows(role, permission)] == expected


def test_every_role_may_do_more_than_the_one_before() -> None:
    known = ("delivery.view_event", "delivery.view_payload", "delivery.add_replay", "subscriptions.add_tenant")
    allowed = [{it for it in known if allows(role, it)} for role in Role]
    assert all(lesser < greater for lesser, greater in pairwise(allowed))


def test_unknown_role_is_an_error() -> None:
    with pytest.raises(ValueError, match="root"):
        allows("root", "delivery.view_event")
