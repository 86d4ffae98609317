"""Erasures in the admin: counted first, erased when that is confirmed, only by those who may."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from delivery.models import Erasure
from tests.delivery.admin.rows import operator
from tests.delivery.factories import make_event
from tests.factories import make_tenant

pytestmark = pytest.mark.django_db

ADD = "admin:delivery_erasure_add"


def test_subject_is_counted_and_erased_when_confirmed() -> None:
    tenant, client = make_tenant(uid="acme"), operator("erase_event")
    make_event(tenant, subject="user-1")
    fields = {"tenant": "acme", "subject": "user-1", "rate": "10"}
    shown = client.post(reverse(ADD), fields).content.decode()
    assert "Erase 1" in shown
    assert not Erasure.objects.exists()
    assert client.post(reverse(ADD), {**fields, "confirmed": "yes"}).status_code == 302
    row = Erasure.objects.get()
    assert (row.total, row.rate, row.requested_by[:6]) == (1, 10, "admin:")
    page = client.get(reverse("admin:delivery_erasure_change", args=[row.pk])).content.decode()
    assert row.subject_hash in page
    assert row.public_id in client.get(reverse("admin:delivery_erasure_changelist")).content.decode()


def test_unknown_tenant_is_named() -> None:
    shown = (
        operator("erase_event")
        .post(reverse(ADD), {"tenant": "nobody", "subject": "user-1", "rate": "10"})
        .content.decode()
    )
    assert "There is no tenant with this ID." in shown


def test_user_without_the_permission_is_refused() -> None:
    client = Client()
    client.force_login(User.objects.create_user("reader", is_staff=True))
    assert client.get(reverse(ADD)).status_code == 403
