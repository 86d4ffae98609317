"""A session reaches nothing of another tenant: a walk over all routes, and over all operations that pages may call."""

import re
from typing import Any

import pytest
from django.urls import NoReverseMatch, resolve, reverse

from delivery.portal.operations import OPERATIONS
from delivery.portal.rest import Portal
from delivery.portal.urls import portal_urlpatterns
from tests.api.tenant_rows import TenantRows
from tests.delivery.portal.found_forms import paths_of
from tests.delivery.portal.sessions import PortalClient, portal_client, signed_in_client
from tests.factories import make_endpoint, make_tenant
from webhooks.audit.models import AuditEntry

pytestmark = pytest.mark.django_db

FORM = {"url": "https://a.example.com/", "which": "all", "expression": "rate(1 hour)", "type": "a", "name": "b"}
"""Fields of all forms, so that none is refused for one that is missing."""
ROUTES = [it for it in portal_urlpatterns if it.pattern.converters.keys() & {"ref"}]


@pytest.mark.parametrize("sign_in", [portal_client, signed_in_client], ids=["link", "signed"])
@pytest.mark.parametrize("route", ROUTES, ids=lambda it: it.name)
def test_route_finds_nothing_of_another_tenant(route, sign_in):
    """By a link of the API, and by one that the host's application has signed."""
    rows, client = TenantRows(make_tenant()), sign_in(make_tenant())
    for path in paths_of(route, rows):
        for response in (client.get(path), client.send(path, FORM)):
            assert response.status_code in (404, 405), path
            assert rows.tenant.public_id not in response.content.decode()
    assert not AuditEntry.objects.filter(actor_type="portal").exists()


@pytest.mark.parametrize("route", ROUTES, ids=lambda it: it.name)
def test_route_finds_what_is_the_tenants_own(route):
    """So that a 404 of the walk above is not one of a wrong path."""
    rows = TenantRows(make_tenant())
    client = portal_client(rows.tenant)
    for path in paths_of(route, rows):
        assert client.get(path).status_code in (200, 405), path


def template_of(name: str) -> str:
    """Return the path of a route of the API with the names of its parameters."""
    for count in range(3):
        try:
            route = resolve(reverse(name, args=["x"] * count)).route
        except NoReverseMatch:
            continue
        return "/" + re.sub(r"<str:(\w+)>", r"{\1}", route)
    raise NoReverseMatch(name)


@pytest.mark.parametrize(
    ("method", "name"),
    [it for it in OPERATIONS if "{" in template_of(it[1]) and "connector" not in it[1]],
    ids=" ".join,
)
def test_operation_finds_nothing_of_another_tenant(rf, method, name):
    rows, client = TenantRows(make_tenant()), portal_client(make_tenant())
    portal = Portal(client.link, rf.get("/portal/"))
    path = template_of(name)
    foreign = list(rows.ids_in(path).values())
    unknown = [f"{it.partition('_')[0]}_{0:026}" for it in foreign]
    responses = [portal.call(method, name, *ids, body={} if method != "GET" else None) for ids in (foreign, unknown)]
    assert [it.status for it in responses] == [404, 404]
    assert responses[0].data == responses[1].data


@pytest.fixture
def foreign() -> TenantRows:
    return TenantRows(make_tenant())


def limited(tenant: Any) -> tuple[PortalClient, Any]:
    endpoint = make_endpoint(tenant)
    return portal_client(tenant, endpoint=endpoint), endpoint


def test_ids_in_forms_find_nothing_of_another_tenant(foreign):
    tenant = make_tenant()
    client, own = portal_client(tenant), make_endpoint(tenant)
    secret = foreign.id_of("endpoints/secrets")
    forms = [
        ("secrets/", {"delete": secret}),
        ("events/", {"subscription": foreign.id_of("subscriptions"), "delete": "1"}),
        ("events/", {"subscription": foreign.id_of("subscriptions"), "which": "all"}),
    ]
    for path, fields in forms:
        assert client.send(f"/portal/endpoints/{own.public_id}/{path}", fields).status_code == 404
    for field in ("revoke", "rotate"):
        assert client.send("/portal/keys/", {field: foreign.id_of("keys")}).status_code == 404
    found = client.get("/portal/messages/", {"endpoint": foreign.id_of("endpoints")})
    assert "<table" not in found.content.decode()


def test_session_of_an_endpoint_sees_no_other_of_its_tenant():
    tenant = make_tenant()
    client, own = limited(tenant)
    other = make_endpoint(tenant, description="the other one")
    assert "the other one" not in client.get("/portal/").content.decode()
    assert client.get(f"/portal/endpoints/{own.public_id}/").status_code == 200
    assert client.get(f"/portal/endpoints/{other.public_id}/").status_code == 404
    for path in (
        "/portal/keys/",
        "/portal/usage/",
        "/portal/schedules/",
        "/portal/alerts/",
        "/portal/endpoints/new/http/",
    ):
        response = client.get(path)
        assert response.status_code in (200, 403), path
    assert client.get("/portal/keys/").status_code == 403
    created = client.send("/portal/endpoints/new/http/", {"url": "https://hooks.example.com/", "which": "all"})
    assert created.status_code == 403
    assert tenant.endpoints.count() == 2
