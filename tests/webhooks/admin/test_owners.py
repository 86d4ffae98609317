"""Check how the receiver's pages name the tenant of a row, which is of another app."""

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from subscriptions.models import Tenant
from tests.factories import make_endpoint, make_tenant
from tests.factories_receiver import make_source
from webhooks.admin.owners import owner_link
from webhooks.audit.models import AuditEntry
from webhooks.models import Source
from webhooks.wire.ids import new_id, public

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    signed_in = Client()
    signed_in.force_login(User.objects.create_superuser("root", password="x" * 12))
    return signed_in


def page_of(tenant: Tenant) -> str:
    return reverse("admin:subscriptions_tenant_change", args=[tenant.pk])


def test_source_page_links_the_tenant_by_its_name(client: Client) -> None:
    tenant = make_tenant(name="Nordwind & Co")
    source = make_source(tenant_id=tenant.pk)
    shown = client.get(reverse("admin:webhooks_source_change", args=[source.pk])).content.decode()
    assert page_of(tenant) in shown
    assert "Nordwind &amp; Co" in shown


def test_list_of_sources_names_tenants_without_a_query_for_each(client: Client) -> None:
    def queries() -> int:
        tenant = make_tenant(name="Nordwind")
        make_source(tenant_id=tenant.pk)
        with CaptureQueriesContext(connection) as taken:
            shown = client.get(reverse("admin:webhooks_source_changelist")).content.decode()
        assert page_of(tenant) in shown
        return len(taken)

    queries()
    assert queries() == queries()


def test_page_of_an_audit_entry_links_the_tenant(client: Client) -> None:
    endpoint = make_endpoint()
    entry = AuditEntry.objects.filter(tenant_id=endpoint.tenant_id).latest("id")
    shown = client.get(reverse("admin:webhooks_auditentry_change", args=[entry.pk])).content.decode()
    assert page_of(endpoint.tenant) in shown
    assert str(endpoint.tenant_id) not in shown.replace(page_of(endpoint.tenant), "")


def test_list_of_the_audit_keeps_ids_whole_to_copy(client: Client) -> None:
    shown = client.get(
        reverse("admin:webhooks_auditentry_changelist"), {"q": make_endpoint().public_id}
    ).content.decode()
    assert re.search(
        r'<span class="wp-id" title="ep_\w{26}"><span class="wp-id-start">ep_\w{16}</span>\w{10}</span>', shown
    )


def test_tenant_that_is_gone_is_named_by_its_id_and_a_row_of_no_tenant_by_the_given_word() -> None:
    gone = new_id()
    assert owner_link(Source(tenant_id=gone)) == public("tnt", gone)
    assert owner_link(Source(tenant_id=None), "Operator") == "Operator"
