"""One-time links and the sessions they open."""

from datetime import timedelta

import pytest
from django.utils import timezone

from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.models import PortalLink
from subscriptions.portal_access import links
from subscriptions.tenants.tenants import delete_tenant
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db


def token_of(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]


def make_link(**fields):
    link, url = links.create_link(fields.pop("tenant", None) or make_tenant(), created_by="wp_1", **fields)
    return link, token_of(url)


def opened_session(**fields):
    _, token = make_link(**fields)
    return links.open_link(token)[1]


def test_link_is_stored_as_a_digest_only():
    link, token = make_link()
    session = links.open_link(token)[1]
    stored = str(PortalLink.objects.filter(pk=link.pk).values().get())
    assert token not in stored
    assert session not in stored


def test_link_opens_once():
    _, token = make_link()
    assert links.open_link(token)
    assert links.open_link(token) is None


@pytest.mark.parametrize("end", ["expires", "is_revoked", "never_made", "tenant_deleted", "endpoint_deleted"])
def test_link_that_is_not_valid_does_not_open(end):
    tenant = make_tenant()
    endpoint = make_endpoint(tenant)
    link, token = make_link(tenant=tenant, endpoint=endpoint)
    finish(end, link, tenant, endpoint)
    assert links.open_link("A" * 43 if end == "never_made" else token) is None


@pytest.mark.parametrize("end", ["session_expires", "is_revoked", "tenant_deleted", "endpoint_deleted"])
def test_session_ends(end):
    tenant = make_tenant()
    endpoint = make_endpoint(tenant)
    link, token = make_link(tenant=tenant, endpoint=endpoint)
    session = links.open_link(token)[1]
    assert links.find_session(session) == link
    finish(end, link, tenant, endpoint)
    assert links.find_session(session) is None


def finish(end, link, tenant, endpoint):
    past = timezone.now() - timedelta(seconds=1)
    match end:
        case "expires":
            PortalLink.objects.update(expires_at=past)
        case "session_expires":
            PortalLink.objects.update(session_expires_at=past)
        case "is_revoked":
            links.revoke_link(link)
        case "tenant_deleted":
            delete_tenant(tenant)
        case "endpoint_deleted":
            delete_endpoint(endpoint)


def test_token_of_a_link_is_no_session():
    _, token = make_link()
    links.open_link(token)
    assert links.find_session(token) is None


def test_session_lasts_from_the_moment_it_is_opened():
    link, token = make_link(session_seconds=600)
    links.open_link(token)
    link.refresh_from_db()
    assert link.session_expires_at - link.opened_at == timedelta(seconds=600)


def test_use_of_a_session_is_recorded():
    session = opened_session()
    PortalLink.objects.update(last_used_at=timezone.now() - timedelta(hours=1))
    links.find_session(session)
    assert PortalLink.objects.get().last_used_at > timezone.now() - timedelta(minutes=5)


def test_links_are_deleted_after_their_time():
    make_link()
    PortalLink.objects.update(expires_at=timezone.now() - timedelta(days=links.KEPT_DAYS + 1))
    kept, _ = make_link()
    assert links.delete_expired() == 1
    assert list(PortalLink.objects.all()) == [kept]
