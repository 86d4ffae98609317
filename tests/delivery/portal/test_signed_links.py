"""The host's own login opens the portal: a link that it has signed opens one session of one tenant."""

import time
from typing import Any

import jwt
import pytest

from delivery.portal import opening
from delivery.portal.gate import COOKIE
from subscriptions.models import PortalLink
from subscriptions.portal_access.links import revoke_link
from tests.delivery.portal.sessions import KEY, keep_cookie, text_of
from tests.factories import make_endpoint, make_tenant
from webhooks.audit.models import AuditEntry

pytestmark = pytest.mark.django_db
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture(autouse=True)
def keys(settings: Any) -> None:
    settings.WAYPOST_PORTAL_KEYS = [KEY]
    opening.attempts.clear()


@pytest.fixture
def tenant():
    return make_tenant(uid="acme")


def path_of(**changes: Any) -> str:
    claims = {
        "aud": "waypost-portal",
        "exp": int(time.time()) + 60,
        "jti": "1",
        "sub": "ada@example.com",
        "tenant": "acme",
        "capabilities": ["view", "manage"],
        **changes,
    }
    return f"/portal/open/{jwt.encode(claims, KEY, algorithm='HS256')}/"


def test_signed_link_opens_a_session_of_its_user(client, tenant):
    response = client.get(path_of(theme={"name": "Acme"}, session_seconds=600), headers=NAVIGATION)
    assert (response.status_code, response["Location"]) == (303, "/portal/")
    keep_cookie(client, response)
    page = text_of(client.get("/portal/"))
    assert "<strong>Acme</strong>" in page
    assert "ada@example.com" in page
    link = PortalLink.objects.get()
    assert (link.tenant, link.user, link.capabilities) == (tenant, "ada@example.com", ["view", "manage"])
    assert (link.session_expires_at - link.opened_at).total_seconds() == 600
    assert link.created_by.startswith("portal key ")


def test_signed_link_opens_once(client, tenant):
    path = path_of()
    assert client.get(path, headers=NAVIGATION).status_code == 303
    assert client.get(path, headers=NAVIGATION).status_code == 410
    assert client.post(path).status_code == 410
    assert client.get(path_of(jti="2"), headers=NAVIGATION).status_code == 303


def test_program_that_looks_at_a_signed_link_does_not_open_it(client, tenant):
    path = path_of()
    response = client.get(path)
    assert response.status_code == 200
    assert COOKIE not in response.cookies
    assert not PortalLink.objects.exists()
    assert client.post(path).status_code == 303


def test_signed_link_to_an_endpoint_opens_its_page_and_no_other(client, tenant):
    own, other = make_endpoint(tenant, uid="shop"), make_endpoint(tenant)
    response = client.get(path_of(endpoint="shop"), headers=NAVIGATION)
    assert response["Location"] == f"/portal/endpoints/{own.public_id}/"
    keep_cookie(client, response)
    assert client.get(f"/portal/endpoints/{own.public_id}/").status_code == 200
    assert client.get(f"/portal/endpoints/{other.public_id}/").status_code == 404


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tenant": "globex"}, "tenant"),
        ({"tenant": None}, "tenant"),
        ({"tenant": ["acme"]}, "tenant"),
        ({"capabilities": []}, "capabilities"),
        ({"capabilities": ["fly"]}, "capabilities.0"),
        ({"capabilities": ["view", "view"]}, "capabilities"),
        ({"endpoint": "of-another"}, "endpoint"),
        ({"theme": {"accent": "red"}}, "theme.accent"),
        ({"return_url": "javascript:alert(1)"}, "return_url"),
        ({"session_seconds": 10**9}, "session_seconds"),
        ({"expires_in": 60}, "expires_in"),
        ({"aud": "shop"}, "aud"),
        ({"exp": 4_000_000_000}, "exp"),
        ({"sub": "x" * 300}, "sub"),
    ],
    ids=lambda it: str(it) if isinstance(it, dict) else "",
)
def test_wrong_claim_is_named_and_opens_nothing(client, tenant, changes, named):
    make_endpoint(make_tenant(), uid="of-another")
    response = client.get(path_of(**changes), headers=NAVIGATION)
    assert response.status_code == 400
    assert f"{named}: " in text_of(response)
    assert COOKIE not in response.cookies
    assert not PortalLink.objects.exists()


def test_link_that_another_key_signed_is_as_one_that_was_never_made(client, tenant, settings):
    path = path_of()
    settings.WAYPOST_PORTAL_KEYS = ["x" * 40]
    assert client.get(path, headers=NAVIGATION).status_code == 410
    assert text_of(client.get(path)) == text_of(client.get(f"/portal/open/{'A' * 43}/"))


def test_revoking_ends_the_session(client, tenant):
    path = path_of()
    keep_cookie(client, client.get(path, headers=NAVIGATION))
    assert client.get("/portal/").status_code == 200
    revoke_link(PortalLink.objects.get())
    assert client.get("/portal/").status_code == 401
    assert client.get(path, headers=NAVIGATION).status_code == 410


@pytest.mark.parametrize("method", ["get", "post"])
def test_audit_says_who_opened_the_pages(client, tenant, method):
    response = getattr(client, method)(path_of(), headers=NAVIGATION)
    keep_cookie(client, response)
    entry = AuditEntry.objects.get(object_type="portallink")
    assert (entry.origin, entry.actor_type, entry.actor_name) == ("portal", "portal", "portal: ada@example.com")
    assert (entry.operation, entry.tenant_id) == ("portal-open", tenant.pk)
    assert "Opened these pages" in text_of(client.get("/portal/activity/"))
