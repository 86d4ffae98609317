"""Request inspectors: their number, their addresses and their end."""

from datetime import timedelta

import pytest
from django.utils import timezone

from subscriptions.errors import StateConflict
from subscriptions.inspectors import inspectors
from subscriptions.inspectors.inspectors import create_inspector, find_inspector, page_url_of, url_of
from subscriptions.inspectors.requests import Arrival, keep_request
from subscriptions.models import InspectedRequest, Inspector
from tests.factories import make_tenant

pytestmark = pytest.mark.django_db


def test_inspector_has_two_addresses_of_which_neither_tells_the_other() -> None:
    inspector = create_inspector(make_tenant())
    assert url_of(inspector).endswith(f"/inspect/{inspector.token}/")
    assert page_url_of(inspector).endswith(f"/inspectors/{inspector.page_token}/")
    assert len({inspector.token, inspector.page_token}) == 2
    assert find_inspector(token=inspector.token) == inspector
    assert find_inspector(token=inspector.page_token) is None
    assert find_inspector(page_token=inspector.token) is None


def test_tenant_with_the_maximum_of_inspectors_gets_another_when_one_is_gone() -> None:
    tenant = make_tenant()
    made = [create_inspector(tenant) for _ in range(inspectors.INSPECTORS_PER_TENANT)]
    with pytest.raises(StateConflict, match="10 inspectors"):
        create_inspector(tenant)
    create_inspector(make_tenant())
    Inspector.objects.filter(pk=made[0].pk).update(expires_at=timezone.now())
    assert create_inspector(tenant)


def test_expired_inspector_is_not_found_and_is_deleted_with_its_requests() -> None:
    expired, kept = create_inspector(make_tenant()), create_inspector(make_tenant())
    for it in (expired, kept):
        keep_request(it, Arrival("POST", "/", {}, b"{}"))
    Inspector.objects.filter(pk=expired.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert find_inspector(token=expired.token) is None
    assert inspectors.delete_expired() == 1
    assert [it.inspector_id for it in InspectedRequest.objects.all()] == [kept.pk]


def test_inspector_of_a_deleted_tenant_is_not_found() -> None:
    tenant = make_tenant()
    inspector = create_inspector(tenant)
    tenant.deleted_at = timezone.now()
    tenant.save()
    assert find_inspector(token=inspector.token) is None
