import pytest
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from subscriptions.api.authentication import ApiKeyAuthentication, HasScope, OperatorWrites, Principal, principal
from tests.factories import make_key, make_tenant

door = ApiKeyAuthentication()


def asked(method="GET", *, auth=None, **headers):
    request = Request(APIRequestFactory().generic(method, "/", headers=headers))
    request.auth = auth
    return request


def principal_with(*scopes, tenant_id=None):
    return Principal(None, tenant_id, frozenset(scopes), "")


@pytest.mark.django_db
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_a_bearer_key_becomes_a_principal(scheme):
    tenant = make_tenant()
    key, text = make_key(tenant, "read", "publish", name="backend")
    _, found = door.authenticate(asked(authorization=f"{scheme} {text}"))
    assert found == Principal(key.id, tenant.id, frozenset({"read", "publish"}), f"{key.key_prefix}… backend")
    assert not found.is_operator


@pytest.mark.django_db
def test_a_key_without_a_tenant_is_an_operators():
    _, text = make_key()
    assert door.authenticate(asked(authorization=f"Bearer {text}"))[1].is_operator


@pytest.mark.parametrize("header", ["", "Basic d3A6d3A=", "Bearerwp_x", "wp_x"])
def test_what_is_no_bearer_key_is_nobody(header):
    assert door.authenticate(asked(authorization=header)) is None


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer wp_", "Bearer a b", "Bearer \xff\xfe", "Bearer " + "x" * 9999]
)
def test_a_bearer_key_of_another_form_is_refused_without_a_query(header):
    with pytest.raises(AuthenticationFailed):
        door.authenticate(asked(authorization=header))


def test_the_challenge_says_whether_a_key_was_given():
    assert door.authenticate_header(asked()) == 'Bearer realm="waypost"'
    assert door.authenticate_header(asked(authorization="Bearer x")).endswith('error="invalid_token"')


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
def test_each_method_needs_its_one_scope(method, scope, view):
    others = {"publish", "manage", "read"} - {scope}
    assert HasScope().has_permission(asked(method, auth=principal_with(scope)), view())
    assert not HasScope().has_permission(asked(method, auth=principal_with(*others)), view())


def test_only_operators_write_where_operators_write():
    tenant, operator = (principal_with("read", "manage", tenant_id=each) for each in ("t", None))
    assert OperatorWrites().has_permission(asked("GET", auth=tenant), View())
    assert not OperatorWrites().has_permission(asked("PATCH", auth=tenant), View())
    assert OperatorWrites().has_permission(asked("PATCH", auth=operator), View())


def test_a_request_without_a_key_is_nobodys_even_where_a_view_lets_it_in():
    with pytest.raises(NotAuthenticated):
        principal(asked())
