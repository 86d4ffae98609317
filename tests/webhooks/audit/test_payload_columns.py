"""Values of entries that are payloads are hidden from those who may not see payloads."""

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client, RequestFactory

from delivery.portal.rest import Portal
from subscriptions.models import Capability, Role, Tenant
from tests.delivery.portal.sessions import portal_client
from tests.delivery.schedules.factories import make_schedule
from tests.factories import client_with, make_client, make_key, make_tenant

pytestmark = pytest.mark.django_db

SECRET = "4111 1111"


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def schedule(tenant: Tenant) -> Any:
    return make_schedule(tenant, event={"type": "order.paid", "data": {"card": SECRET}})


def user_with(*permissions: str) -> Client:
    user = User.objects.create_user("ops", password="x" * 12, is_staff=True)
    for name in permissions:
        app, _, codename = name.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    client = Client()
    client.force_login(user)
    return client


def history(client: Client, schedule: Any) -> str:
    return client.get(f"/admin/delivery/schedule/{schedule.pk}/history/").content.decode()


def test_event_of_a_schedule_is_in_its_history_for_users_who_may_see_payloads_only(schedule: Any) -> None:
    assert SECRET in history(user_with("delivery.view_schedule", "delivery.view_payload"), schedule)
    User.objects.all().delete()
    hidden = history(user_with("delivery.view_schedule"), schedule)
    assert SECRET not in hidden
    assert "Hidden: your role may not see payloads." in hidden
    assert schedule.expression in hidden


def test_audit_of_the_admin_and_its_export_hide_it_likewise(schedule: Any) -> None:
    seen, hidden = [], []
    for found, more in ((seen, ["delivery.view_payload"]), (hidden, [])):
        User.objects.all().delete()
        client = user_with("webhooks.view_auditentry", *more)
        query = f"?q={schedule.public_id}"
        page = client.get(f"/admin/webhooks/auditentry/{query}").content.decode()
        entry = page.partition("/admin/webhooks/auditentry/")[2].partition("/change/")[0].rpartition("/")[2]
        exported = b"".join(client.get(f"/admin/webhooks/auditentry/export/{query}")).decode()
        found += [exported, client.get(f"/admin/webhooks/auditentry/{entry}/change/").content.decode()]
    assert all(SECRET in it for it in seen)
    assert not any(SECRET in it for it in hidden)
    assert all("Hidden" in it for it in hidden)


def test_rest_shows_it_to_keys_that_may_see_payloads(tenant: Tenant, schedule: Any) -> None:
    for client in (make_client(tenant), client_with(make_key(tenant, role=Role.SUPPORT)[1])):
        (entry,) = client.get(f"/api/v1/audit/?object={schedule.public_id}").json()["data"]
        assert json.loads(entry["after"]["template"])["data"] == {"card": SECRET}


def test_session_of_the_portal_without_payloads_gets_it_hidden(
    tenant: Tenant, schedule: Any, rf: RequestFactory
) -> None:
    portal = Portal(portal_client(tenant, Capability.VIEW).link, rf.get("/portal/"))
    (entry,) = [it for it in portal.read("audit-entry-list")["data"] if it["object_id"] == schedule.public_id]
    assert entry["after"]["template"].startswith("Hidden")
    assert entry["after"]["expression"] == schedule.expression
    assert SECRET not in str(entry)
