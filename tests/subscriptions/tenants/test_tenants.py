"""Tenants: created, changed and deleted with their rows."""

import pytest

from subscriptions.errors import AlreadyExists
from subscriptions.models import Endpoint, OAuthToken, SigningSecret, Subscription, Tenant
from subscriptions.tenants import tenants
from tests.factories import make_subscription, make_tenant

pytestmark = pytest.mark.django_db


def test_delete_tenant_deletes_its_rows_and_no_others():
    mine, other = make_subscription(), make_subscription()
    OAuthToken.objects.bulk_create([OAuthToken(endpoint=it.endpoint, ciphertext=b"x") for it in (mine, other)])
    tenants.delete_tenant(mine.tenant)
    assert list(OAuthToken.objects.values_list("endpoint", flat=True)) == [other.endpoint.id]
    assert list(Subscription.objects.all()) == [other]
    assert list(Endpoint.objects.filter(deleted_at=None)) == [other.endpoint]
    assert list(SigningSecret.objects.values_list("endpoint", flat=True)) == [other.endpoint.id]


def test_delete_tenant_again_keeps_the_first_time():
    tenant = make_tenant()
    tenants.delete_tenant(tenant)
    first = Tenant.objects.get().deleted_at
    tenants.delete_tenant(tenant)
    assert Tenant.objects.get().deleted_at == first


def test_uid_of_a_deleted_tenant_can_be_used_again():
    tenants.delete_tenant(tenants.create_tenant("Acme", uid="acme"))
    assert tenants.create_tenant("Acme", uid="acme").uid == "acme"


def test_uid_in_use_is_rejected():
    tenants.create_tenant("Acme", uid="acme")
    with pytest.raises(AlreadyExists):
        tenants.create_tenant("Other", uid="acme")
    with pytest.raises(AlreadyExists):
        tenants.change_tenant(make_tenant(), {"uid": "acme"})


def test_change_of_a_deleted_tenant_raises():
    tenant = make_tenant()
    tenants.delete_tenant(tenant)
    with pytest.raises(Tenant.DoesNotExist):
        tenants.change_tenant(tenant, {"name": "Back"})
