"""Digests and entity tags do not let those who may not see payloads test a guess of what is hidden from them."""

from hashlib import sha256
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from config.access.roles import make_roles
from delivery.models import Schedule
from subscriptions.models import Role, Tenant
from tests.delivery.schedules.factories import make_schedule
from tests.factories import client_with, make_client, make_key, make_tenant
from tests.factories_receiver import make_receipt, make_source
from webhooks.kit.bodies.payloads import HIDDEN
from webhooks.models import Rejection

pytestmark = pytest.mark.django_db

BODY = b'{"pin": "1234"}'


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def client_of(tenant: Tenant, role: Role) -> Any:
    return client_with(make_key(tenant, role=role)[1])


def test_digest_of_a_body_is_hidden_with_it(tenant: Tenant) -> None:
    receipt = make_receipt(make_source(tenant_id=tenant.pk), body=BODY)
    digest = sha256(BODY).hexdigest()
    rejection = Rejection.objects.create(source=receipt.source, reason="no_match", sha256=digest)
    for path in (f"receipts/{receipt.public_id}/", f"rejections/{rejection.public_id}/"):
        assert client_of(tenant, Role.VIEWER).get(f"/api/v1/{path}").json()["sha256"] == HIDDEN
        assert client_of(tenant, Role.SUPPORT).get(f"/api/v1/{path}").json()["sha256"] == digest
        assert make_client(tenant).get(f"/api/v1/{path}").json()["sha256"] == digest
    for path in ("receipts/", "rejections/"):
        assert digest not in client_of(tenant, Role.VIEWER).get(f"/api/v1/{path}").content.decode()


@pytest.mark.parametrize(("role", "is_shown"), [(Role.VIEWER, False), (Role.SUPPORT, True)])
def test_page_of_a_rejection_hides_it_likewise(tenant: Tenant, role: Role, is_shown: bool) -> None:
    digest = sha256(BODY).hexdigest()
    rejection = Rejection.objects.create(source=make_source(tenant_id=tenant.pk), reason="no_match", sha256=digest)
    make_roles()
    user = User.objects.create_user("ada", password="x" * 12, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    page = client.get(f"/admin/webhooks/rejection/{rejection.pk}/change/")
    assert page.status_code == 200
    assert (digest in page.content.decode()) is is_shown


def test_tag_of_a_row_with_hidden_fields_is_keyed_and_changes_with_them(tenant: Tenant) -> None:
    schedule = make_schedule(tenant, event={"type": "order.paid", "data": {"pin": "1234"}})
    path = f"/api/v1/schedules/{schedule.public_id}/"
    viewer, support = client_of(tenant, Role.VIEWER), client_of(tenant, Role.SUPPORT)
    tags = {it: it.get(path)["ETag"] for it in (viewer, support)}
    assert tags[viewer] != tags[support]
    assert tags[viewer] == client_of(tenant, Role.VIEWER).get(path)["ETag"]
    assert support.get(path)["ETag"] == make_client(tenant).get(path)["ETag"]
    assert viewer.get(path, headers={"if-none-match": tags[viewer]}).status_code == 304
    Schedule.objects.filter(pk=schedule.pk).update(template='{"type": "order.paid", "data": {"pin": "4321"}}')
    assert viewer.get(path)["ETag"] != tags[viewer]


def test_keyed_tag_is_what_a_change_is_compared_with(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = make_schedule(tenant)
    path, client = f"/api/v1/schedules/{schedule.public_id}/", make_client(tenant)
    monkeypatch.setattr("webhooks.kit.rest.scoped_view.may_see_payloads", lambda *_: False)
    tag = client.get(path)["ETag"]
    assert client.patch(path, {"description": "a"}, format="json", headers={"if-match": '"x"'}).status_code == 412
    changed = client.patch(path, {"description": "a"}, format="json", headers={"if-match": tag})
    assert (changed.status_code, changed["ETag"] == client.get(path)["ETag"]) == (200, True)
    assert client.patch(path, {"description": "b"}, format="json", headers={"if-match": tag}).status_code == 412
