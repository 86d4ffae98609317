"""Authentication by API key, and permissions by scope."""

from datetime import UTC, datetime

import pytest
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from subscriptions.api.authentication import (
    ApiKeyAuthentication,
    EndpointKeyRefused,
    HasScope,
    InsufficientScope,
    PlatformKeyRequired,
    PlatformWrites,
    Principal,
    principal,
)
from tests.factories import make_key, make_tenant

authentication = ApiKeyAuthentication()


def request_with(method="GET", *, auth=None, **headers):
    request = Request(APIRequestFactory().generic(method, "/", headers=headers))
    request.auth = auth
    return request


def principal_with(*scopes, tenant_id=None, endpoint_id=None):
    return Principal(None, tenant_id, frozenset(scopes), "", endpoint_id=endpoint_id)


@pytest.mark.django_db
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_bearer_key_becomes_a_principal(scheme):
    tenant = make_tenant()
    key, text = make_key(tenant, "read", "publish", name="backend")
    _, found = authentication.authenticate(request_with(authorization=f"{scheme} {text}"))
    assert found == Principal(key.id, tenant.id, frozenset({"read", "publish"}), f"{key.key_prefix}… backend")
    assert not found.is_platform


@pytest.mark.django_db
def test_key_without_a_tenant_is_a_platform_key():
    _, text = make_key()
    assert authentication.authenticate(request_with(authorization=f"Bearer {text}"))[1].is_platform


@pytest.mark.parametrize("header", ["", "Basic d3A6d3A=", "Bearerwp_x", "wp_x"])
def test_other_authorization_header_gives_no_principal(header):
    assert authentication.authenticate(request_with(authorization=header)) is None


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer wp_", "Bearer a b", "Bearer \xff\xfe", "Bearer " + "x" * 9999]
)
def test_malformed_bearer_key_is_rejected_without_a_query(header):
    with pytest.raises(AuthenticationFailed):
        authentication.authenticate(request_with(authorization=header))


def test_challenge_says_whether_a_key_was_given():
    assert authentication.authenticate_header(request_with()) == 'Bearer realm="waypost"'
    assert authentication.authenticate_header(request_with(authorization="Bearer x")).endswith('error="invalid_token"')


class View:
    required_scopes = {"POST": "publish"}


@pytest.mark.parametrize(
    ("method", "scope", "view"),
    [
        ("GET", "read", View),
        ("HEAD", "read", View),
        ("OPTIONS", "read", View),
        ("POST", "publish", View),
        ("DELETE", "manage", View),
        ("POST", "manage", object),
        ("PUT", "manage", object),
        ("PATCH", "manage", object),
        ("BREW", "manage", object),
    ],
)
def test_method_requires_one_scope(method, scope, view):
    others = {"publish", "manage", "read"} - {scope}
    assert HasScope().has_permission(request_with(method, auth=principal_with(scope)), view())
    with pytest.raises(InsufficientScope, match=f"with the scope {scope}; this key has"):
        HasScope().has_permission(request_with(method, auth=principal_with(*others)), view())


def test_platform_writes_rejects_writes_of_tenants():
    tenant, platform = (principal_with("read", "manage", tenant_id=each) for each in ("t", None))
    assert PlatformWrites().has_permission(request_with("GET", auth=tenant), View())
    with pytest.raises(PlatformKeyRequired):
        PlatformWrites().has_permission(request_with("PATCH", auth=tenant), View())
    assert PlatformWrites().has_permission(request_with("PATCH", auth=platform), View())


def test_view_without_an_endpoint_path_refuses_keys_that_are_limited_to_an_endpoint():
    key = principal_with("read", tenant_id="t", endpoint_id="e")
    with pytest.raises(EndpointKeyRefused):
        HasScope().has_permission(request_with("GET", auth=key), View())


@pytest.mark.django_db
def test_expired_key_gets_a_401_that_says_when_it_expired():
    key, text = make_key(make_tenant())
    key.expires_at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    key.save()
    with pytest.raises(AuthenticationFailed, match="expired at 2026-01-31T12:00:00Z"):
        authentication.authenticate(request_with(authorization=f"Bearer {text}"))


@pytest.mark.django_db
def test_key_that_was_revoked_and_expired_says_nothing_of_its_expiry():
    key, text = make_key(make_tenant())
    key.expires_at = key.revoked_at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    key.save()
    with pytest.raises(AuthenticationFailed, match="not valid"):
        authentication.authenticate(request_with(authorization=f"Bearer {text}"))


def test_principal_of_a_request_without_a_key_raises():
    with pytest.raises(NotAuthenticated):
        principal(request_with())
