"""Pages of listed origins may call the API, over real connections; no others may."""

from collections.abc import Iterator
from typing import Any

import pytest

from config.web.application import WebApplication
from subscriptions.models import Scope, Tenant
from tests.config.web.server import send, serving
from tests.factories import make_key, make_tenant

pytestmark = pytest.mark.django_db(transaction=True)
ORIGIN = "https://app.example.com"
ENDPOINTS, EVENTS = "/api/v1/endpoints/", "/api/v1/events/"


@pytest.fixture
def port(settings: Any) -> Iterator[int]:
    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.WAYPOST_CORS_ORIGINS = [ORIGIN, "http://localhost:3000"]
    with serving(WebApplication()) as port:
        yield port


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def preflight(port: int, path: str, origin: str, method: str = "POST", headers: str = "authorization") -> Any:
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return send(port, "OPTIONS", path, headers=asked)


def cors_headers(headers: dict[str, str]) -> set[str]:
    return {name for name in headers if name.startswith("access-control-")}


def test_preflight_of_a_listed_origin_allows_the_methods_and_headers_of_the_api(port: int) -> None:
    asked = "Authorization, content-type, Waypost-Tenant, ce-type, x-other"
    status, headers, body = preflight(port, ENDPOINTS, ORIGIN, "PATCH", asked)
    assert (status, body) == (204, b"")
    assert headers["access-control-allow-origin"] == ORIGIN
    assert headers["access-control-allow-methods"] == "GET, HEAD, POST, PUT, PATCH, DELETE"
    assert headers["access-control-allow-headers"] == "authorization, ce-type, content-type, waypost-tenant"
    assert headers["access-control-max-age"] == "600"
    assert headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", f"{ORIGIN}.evil.example", "http://app.example.com", "null", ORIGIN.upper(), "*"]
)
def test_preflight_of_another_origin_allows_nothing(port: int, origin: str) -> None:
    _, headers, _ = preflight(port, ENDPOINTS, origin)
    assert cors_headers(headers) == set()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", EVENTS, b'{"type": "a", "data": 1}'),  # in the event loop
        ("POST", EVENTS, b'{"typ": "a"}'),
        ("POST", f"{EVENTS}batch/", b'[{"type": "a", "data": 1}]'),  # by Django
        ("GET", ENDPOINTS, None),
        ("GET", f"{ENDPOINTS}unknown/", None),
    ],
)
def test_page_of_a_listed_origin_may_read_every_response(
    port: int, tenant: Tenant, method: str, path: str, body: bytes | None
) -> None:
    _, key = make_key(tenant, *Scope.values)
    given = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    _, headers, _ = send(port, method, path, body, headers={**given, "Origin": ORIGIN})
    assert headers["access-control-allow-origin"] == ORIGIN
    assert "Waypost-Request-Id" in headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in headers
    assert "Origin" in headers["vary"]
    for others in ({}, {"Origin": "https://evil.example"}):
        _, headers, _ = send(port, method, path, body, headers={**given, **others})
        assert cors_headers(headers) == set()
        assert "Origin" in headers["vary"]


def test_response_without_a_key_may_be_read_too(port: int) -> None:
    status, headers, _ = send(port, "GET", ENDPOINTS, headers={"Origin": ORIGIN})
    assert (status, headers["access-control-allow-origin"]) == (401, ORIGIN)


def test_pages_and_addresses_of_sources_allow_no_origin(port: int) -> None:
    for path in ("/admin/login/", "/in/src_1/", "/"):
        _, headers, _ = send(port, "GET", path, headers={"Origin": ORIGIN})
        assert cors_headers(headers) == set()


def test_no_origin_is_allowed_by_default(port: int, settings: Any) -> None:
    settings.WAYPOST_CORS_ORIGINS = []
    _, headers, _ = preflight(port, ENDPOINTS, ORIGIN)
    assert cors_headers(headers) == set()
    _, headers, _ = send(port, "GET", ENDPOINTS, headers={"Origin": ORIGIN})
    assert cors_headers(headers) == set()
