"""Guards in front of every page: session, CSRF token, rate, language, headers."""

import pytest
from django.urls import get_resolver

from delivery.portal import gate, opening
from delivery.portal.gate import COOKIE, PortalPage, rates
from delivery.portal.urls import portal_urlpatterns
from delivery.templatetags.delivery_portal import activity
from subscriptions.models import Endpoint, PortalLink
from subscriptions.portal_access.links import create_link, revoke_link
from tests.delivery.portal.sessions import portal_client, text_of
from tests.factories import make_endpoint, make_tenant
from webhooks.audit.models import AuditEntry

pytestmark = pytest.mark.django_db
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.fixture
def tenant():
    return make_tenant()


@pytest.fixture(autouse=True)
def no_attempts():
    opening.attempts.clear()
    rates.clear()


def path_of_new_link(tenant, **fields):
    return create_link(tenant, created_by="wp_1", **fields)[1].removeprefix("http://127.0.0.1:8000")


def test_every_page_but_opening_is_guarded():
    views = {it.name: getattr(it.callback, "view_class", None) for it in portal_urlpatterns}
    assert views.pop("portal-open") is None
    assert all(view and issubclass(view, PortalPage) for view in views.values())
    assert get_resolver().reverse("portal") == "portal/"


def test_browser_that_navigates_opens_the_link(client, tenant):
    response = client.get(path_of_new_link(tenant, user="ada"), headers=NAVIGATION)
    assert (response.status_code, response["Location"]) == (303, "/portal/")
    assert "HttpOnly" in response["Set-Cookie"]
    assert "SameSite=Lax" in response["Set-Cookie"]


def test_link_to_an_endpoint_opens_its_page(client, tenant):
    endpoint = make_endpoint(tenant)
    response = client.get(path_of_new_link(tenant, endpoint=endpoint), headers=NAVIGATION)
    assert response["Location"] == f"/portal/endpoints/{endpoint.public_id}/"


@pytest.mark.parametrize(
    "headers",
    [{}, {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}, {**NAVIGATION, "Sec-Purpose": "prefetch"}],
    ids=["preview", "script", "prefetch"],
)
def test_program_that_looks_at_a_link_does_not_open_it(client, tenant, headers):
    path = path_of_new_link(tenant)
    response = client.get(path, headers=headers)
    assert response.status_code == 200
    assert COOKIE not in response.cookies
    assert PortalLink.objects.get().opened_at is None
    assert client.post(path).status_code == 303


def test_link_that_was_opened_says_so(client, tenant):
    path = path_of_new_link(tenant)
    client.get(path, headers=NAVIGATION)
    assert client.get(path, headers=NAVIGATION).status_code == 410


def test_links_cannot_be_tried_fast(client):
    statuses = [client.get(f"/portal/open/{'A' * 43}/").status_code for _ in range(opening.OPENED_PER_MINUTE + 1)]
    assert statuses[-1] == 429
    assert set(statuses[:-1]) == {410}


def test_cookie_is_partitioned_where_pages_are_embedded(client, tenant, settings):
    settings.WAYPOST_PORTAL_FRAME_ANCESTORS = ["https://app.example.com"]
    response = client.get(path_of_new_link(tenant), headers=NAVIGATION, secure=True)
    assert response["Set-Cookie"].endswith("; HttpOnly; Secure; SameSite=None; Partitioned")


def test_page_without_a_session_is_a_401(client):
    response = client.get("/portal/")
    assert response.status_code == 401
    assert response["Content-Security-Policy"]


def test_revoked_session_is_a_401(tenant):
    client = portal_client(tenant)
    assert client.get("/portal/").status_code == 200
    revoke_link(client.link)
    assert client.get("/portal/").status_code == 401


def test_signing_out_ends_the_session(tenant):
    client = portal_client(tenant)
    assert client.send("/portal/end/").status_code == 200
    client.cookies[COOKIE] = client.cookies[COOKIE].value
    assert client.get("/portal/").status_code == 401


@pytest.mark.parametrize("field", ["", "x", "of_another"])
def test_form_without_the_token_of_the_session_is_refused(tenant, field):
    endpoint = make_endpoint(tenant)
    client = portal_client(tenant)
    if field == "of_another":
        field = gate.csrf_token(portal_client(tenant).cookies[COOKIE].value)
    response = client.post(f"/portal/endpoints/{endpoint.public_id}/pause/", {"csrf": field})
    assert response.status_code == 403
    assert Endpoint.objects.get().state == "active"


def test_form_of_another_site_is_refused(tenant):
    client = portal_client(tenant)
    path = f"/portal/endpoints/{make_endpoint(tenant).public_id}/pause/"
    assert client.send(path, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.send(path, **{"Sec-Fetch-Site": "same-origin"}).status_code == 303


def test_session_is_limited_in_rate(tenant, monkeypatch):
    client = portal_client(tenant)
    monkeypatch.setattr(gate.time, "monotonic", lambda: 1000.0)
    statuses = [client.get("/portal/activity/").status_code for _ in range(gate.REQUESTS_AT_ONCE + 1)]
    assert statuses[-1] == 429
    assert set(statuses[:-1]) == {200}
    assert portal_client(tenant).get("/portal/activity/").status_code == 200


def test_headers_allow_no_inline_script_and_no_frame_by_default(tenant):
    response = portal_client(tenant).get("/portal/")
    policy = response["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response["Cache-Control"] == "private, no-store"
    assert "X-Frame-Options" not in response


def test_headers_allow_the_listed_origins_and_the_logo(tenant, settings):
    settings.WAYPOST_PORTAL_FRAME_ANCESTORS = ["https://app.example.com"]
    response = portal_client(tenant, theme={"logo_url": "https://cdn.example.com/a.svg"}).get("/portal/")
    assert "frame-ancestors https://app.example.com" in response["Content-Security-Policy"]
    assert "img-src 'self' data: https://cdn.example.com;" in response["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("language", "accepted", "expected"),
    [
        ("de", "en", "Endpunkte"),
        ("", "de-AT,en;q=0.5", "Endpunkte"),
        ("", "fr", "Endpoints"),
        ("en", "de", "Endpoints"),
    ],
)
def test_pages_are_in_the_language_of_the_link_or_the_browser(tenant, language, accepted, expected):
    response = portal_client(tenant, language=language).get("/portal/", headers={"Accept-Language": accepted})
    assert f"<h1>{expected}</h1>" in text_of(response)


def test_theme_is_served_as_a_stylesheet(tenant):
    client = portal_client(tenant, theme={"accent": "#aa0000", "font": "serif", "mode": "dark", "name": "Acme"})
    sheet = client.get("/portal/theme.css")
    assert sheet["Content-Type"].startswith("text/css")
    assert "--button: #aa0000;" in text_of(sheet)
    assert "Charter" in text_of(sheet)
    page = text_of(client.get("/portal/"))
    assert 'data-mode="dark"' in page
    assert "<strong>Acme</strong>" in page


def test_changes_are_recorded_with_their_user(tenant):
    endpoint = make_endpoint(tenant)
    client = portal_client(tenant, user="ada@example.com")
    client.send(f"/portal/endpoints/{endpoint.public_id}/pause/")
    found = AuditEntry.objects.get(origin="portal")
    assert (found.origin, found.actor_type, found.actor_name) == ("portal", "portal", "portal: ada@example.com")
    assert (found.operation, found.object_key) == ("PATCH endpoint-detail", str(endpoint.pk))
    page = text_of(client.get("/portal/activity/"))
    assert "Changed an endpoint" in page
    assert "ada@example.com" in page


def test_what_the_operator_did_is_shown_in_words():
    """The names of the operator's pages say nothing to a customer."""
    assert activity({"operation": "GET admin:delivery_event_change", "action": "viewed"}) == "Looked at a payload"
    assert activity({"operation": "", "action": "changed"}) == "Changed"
    assert activity({"operation": "PATCH endpoint-detail", "action": "changed"}) == "Changed an endpoint"


def test_reading_pages_leaves_no_entry(tenant):
    client = portal_client(tenant)
    client.get("/portal/")
    assert not AuditEntry.objects.filter(origin="portal").exists()
