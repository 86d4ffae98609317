"""Authentication, scopes and tenant isolation of every operation in the OpenAPI description."""

from collections import defaultdict
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from subscriptions.api.tenancy import HEADER
from subscriptions.models import Scope, Tenant
from subscriptions.tenants import keys
from tests.api.operations import Operation, described, operations, routed
from tests.api.tenant_rows import SHARED, TenantRows
from tests.factories import client_with, make_client, make_key, make_tenant

pytestmark = pytest.mark.django_db

MANAGED_BY_PLATFORM = {"tenants", "plans", "broadcasts"}
READ_BY_PLATFORM = {"status", "broadcasts"}
AUTHENTICATED = [it for it in operations() if it.needs_key]
EACH = pytest.mark.parametrize("operation", AUTHENTICATED, ids=str)
BELOW = [it for it in AUTHENTICATED if it.has_path_parameters and it.path.split("/")[3] not in SHARED]
EACH_BELOW = pytest.mark.parametrize("operation", BELOW, ids=str)


def test_every_route_is_described() -> None:
    assert routed() == described()


def assert_problem(response: Any, status: int) -> None:
    """Check for a problem (RFC 9457) without further members."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert response.json().keys() == {"type", "title", "status", "code", "detail"}
    assert response.json()["status"] == status


def assert_scope_named(response: Any) -> None:
    """Check that detail, member and challenge of a 403 name the scope that is missing."""
    problem = response.json()
    assert problem["code"] == "insufficient_scope"
    assert f"the scope {problem['scope']};" in problem["detail"]
    challenge = f'Bearer realm="waypost", error="insufficient_scope", scope="{problem["scope"]}"'
    assert response["WWW-Authenticate"] == challenge


def unknown_ids(operation: Operation | None = None) -> dict[str, str]:
    """Return an id for every name in a path that no row has; for a PUT no uid, by which it would create a row."""
    creates = operation is not None and operation.method == "put"
    prefixes = {"sources": "src", "schedules": "sch", "subscriptions": "sub", "alert-rules": "alr"}
    prefix = prefixes.get(operation.path.split("/")[3], "ep") if operation is not None else "ep"
    return defaultdict(lambda: f"{prefix}_{0:026}" if creates else "unknownId")


@EACH
def test_request_without_a_key_is_a_401(operation: Operation) -> None:
    tenant = make_tenant()
    response = operation.call(APIClient(), TenantRows(tenant).ids_in(operation.path))
    assert_problem(response, 401)
    assert response["WWW-Authenticate"] == 'Bearer realm="waypost"'


@EACH
def test_unknown_and_revoked_keys_get_the_same_401(operation: Operation) -> None:
    tenant = make_tenant()
    ids = TenantRows(tenant).ids_in(operation.path)
    responses = [operation.call(client_with(text), ids) for text in wrong_keys(tenant)]
    for response in responses:
        assert_problem(response, 401)
        assert response["WWW-Authenticate"] == 'Bearer realm="waypost", error="invalid_token"'
    assert len({response.content for response in responses}) == 1


def wrong_keys(tenant: Tenant) -> list[str]:
    """Return an unknown and a revoked key, and one of a deleted tenant."""
    revoked, revoked_text = make_key(tenant)
    keys.revoke_key(revoked)
    _, orphaned_text = make_key(make_tenant(deleted_at=timezone.now()))
    return ["wp_" + "A" * 43, revoked_text, orphaned_text]


@EACH
def test_operation_requires_exactly_one_scope(operation: Operation) -> None:
    """The requests have platform keys and unknown ids, so that they change nothing. Keys of masks are secrets, and
    to pull is to take."""
    tenant = {HEADER: make_tenant().public_id}

    def is_forbidden_to(*scopes: str) -> bool:
        response = operation.call(make_client(None, *scopes), unknown_ids(), **tenant)
        if response.status_code == 403:
            assert_scope_named(response)
        return bool(response.status_code == 403)

    sufficient = [scope for scope in Scope.values if not is_forbidden_to(scope)]
    assert len(sufficient) == 1
    scopes = {"masking-key": Scope.MANAGE, "/messages": Scope.CONSUME}
    expected = next((scope for part, scope in scopes.items() if part in operation.path), Scope.READ)
    assert operation.method != "get" or sufficient == [expected]
    assert is_forbidden_to(*(scope for scope in Scope.values if scope not in sufficient))


@EACH_BELOW
def test_rows_of_another_tenant_are_not_found(operation: Operation) -> None:
    """The response is that for an unknown id, and the rows are unchanged."""
    tenant = make_tenant()
    ids = TenantRows(tenant).ids_in(operation.path)
    client = make_client(make_tenant())
    before = seen_by(tenant, operation, ids)
    foreign, unknown = operation.call(client, ids), operation.call(client, unknown_ids(operation))
    assert_problem(foreign, status_when_not_visible(operation))
    assert foreign.content == unknown.content
    assert seen_by(tenant, operation, ids) == before


def seen_by(tenant: Tenant, operation: Operation, ids: dict[str, str]) -> Any:
    """Return the row that the path is about, as its tenant sees it."""
    above = operation.path[: operation.path.rindex("}") + 1] + "/"
    response = make_client(tenant).get(above.format_map(ids))
    return response.status_code, response.content


@EACH
def test_tenant_key_with_another_tenants_name_is_rejected(operation: Operation) -> None:
    tenant = make_tenant()
    ids = TenantRows(tenant).ids_in(operation.path)
    for name in ({HEADER: make_tenant().public_id}, {HEADER: "unknown-uid"}):
        assert_problem(operation.call(make_client(tenant), ids, **name), status_when_not_visible(operation))


def status_when_not_visible(operation: Operation) -> int:
    """Return 404, or 403 where only operators may use the operation."""
    resource = operation.path.split("/")[3]
    only_operators = READ_BY_PLATFORM if operation.method == "get" else MANAGED_BY_PLATFORM
    return 403 if resource in only_operators else 404
