"""Test the roles of the admin, and that what a role may not see or do is not shown."""

from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from config.access.roles import make_roles
from subscriptions.tenants.roles import Role
from tests.delivery.factories import make_attempt, make_delivery, make_event
from tests.factories import make_endpoint
from tests.factories_receiver import make_receipt, make_source
from webhooks.audit.entries import history_of

pytestmark = pytest.mark.django_db

SECRET = "only-for-support"


def signed_in(role: str) -> Client:
    make_roles()
    user = User.objects.create_user(f"a {role}", password="x" * 12, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def permissions_of(role: str) -> set[str]:
    return set(Group.objects.get(name=role).permissions.values_list("codename", flat=True))


def test_each_role_may_do_what_the_one_before_may() -> None:
    make_roles()
    for lesser, greater in pairwise(Role.values):
        assert permissions_of(lesser) < permissions_of(greater)
    assert all(it.startswith("view_") for it in permissions_of("viewer"))
    assert "view_payload" not in permissions_of("viewer")
    assert not {it for it in permissions_of("administrator") if it in ("delete_auditentry", "change_auditentry")}
    assert not {
        it for it in permissions_of("operator") if "user" in it or ("apikey" in it and not it.startswith("view_"))
    }


def pages_with_payload() -> list[tuple[str, Any]]:
    endpoint = make_endpoint()
    event = make_event(endpoint.tenant, data={"note": SECRET})
    delivery = make_delivery(event, endpoint, attempts=1)
    make_attempt(delivery, status=503, response=SECRET.encode())
    receipt = make_receipt(body=SECRET.encode(), size=len(SECRET))
    return [
        (f"/admin/delivery/event/{event.pk}/change/", event),
        (f"/admin/delivery/delivery/{delivery.pk}/change/", delivery),
        (f"/admin/delivery/delivery/{delivery.pk}/attempts/1/", delivery),
        (f"/admin/webhooks/receipt/{receipt.pk}/change/", receipt),
    ]


def test_viewer_sees_no_payload_and_leaves_no_look() -> None:
    client = signed_in("viewer")
    for path, row in pages_with_payload():
        response = client.get(path)
        assert response.status_code == 200
        assert SECRET not in response.content.decode(), path
        assert not history_of(row).filter(action="viewed").exists()


def test_support_sees_payloads_and_each_look_is_recorded() -> None:
    client = signed_in("support")
    for path, row in pages_with_payload():
        seen = history_of(row).filter(action="viewed").count()
        assert SECRET in client.get(path).content.decode(), path
        entry = history_of(row).filter(action="viewed")
        assert entry.count() == seen + 1, path
        assert entry[0].actor_name == "a support"


def test_body_of_a_receipt_is_not_downloaded_by_a_viewer() -> None:
    receipt = make_receipt()
    assert signed_in("viewer").get(f"/admin/webhooks/receipt/{receipt.pk}/body/").status_code == 403


def test_viewer_is_shown_no_button_that_the_role_may_not_use() -> None:
    client, source, endpoint, receipt = signed_in("viewer"), make_source(), make_endpoint(), make_receipt()
    for path, verbs in (
        (f"/admin/webhooks/source/{source.pk}/change/", ("Edit", "Secrets", "Send test message", "Reprocess failed")),
        (f"/admin/webhooks/receipt/{receipt.pk}/change/", ("Replay", "Download body")),
        (f"/admin/subscriptions/endpoint/{endpoint.pk}/change/", ("Change", "Rotate or end")),
    ):
        page = client.get(path).content.decode()
        assert [verb for verb in verbs if f">{verb}</a>" in page] == [], path


def test_page_that_is_forbidden_or_missing_is_shown_in_the_frame_of_the_admin() -> None:
    client = signed_in("viewer")
    for path, status in (("/admin/webhooks/source/add/", 403), ("/admin/nothing/here/", 404)):
        response = client.get(path)
        assert response.status_code == status
        assert b"nav-sidebar" in response.content
        assert b"Start page" in response.content
