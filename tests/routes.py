"""Test cases for every route that requires an API key: which keys it accepts, and that tenants are separated.

class TestEndpointRoutes(RouteCases):
    routes = [ApiRoute("get", "endpoints/{endpoint}/", "read", 200), ...]

    def make_ids(self, tenant):
        return {"endpoint": make_endpoint(tenant).public_id}
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from subscriptions.models import Scope, Tenant
from subscriptions.tenants import keys
from tests.factories import client_with, make_client, make_key, make_tenant


@dataclass(frozen=True)
class ApiRoute:
    """Describe a method of a path below /api/v1/: the scope it needs and the status of its success.

    ``{names}`` in path and body are filled with the ids that ``RouteCases.make_ids`` returns.
    """

    method: str
    path: str
    scope: str
    status: int
    body: Any = None

    @property
    def names_an_object(self) -> bool:
        return "{" in self.path

    def request(self, client: APIClient, ids: dict[str, str], **headers: str) -> Any:
        path = "/api/v1/" + self.path.format(**ids)
        return getattr(client, self.method)(path, fill(self.body, ids), format="json", headers=headers)


def fill(body: Any, ids: dict[str, str]) -> Any:
    if isinstance(body, list):
        return [fill(value, ids) for value in body]
    if isinstance(body, dict):
        return {name: fill(value, ids) for name, value in body.items()}
    return body.format(**ids) if isinstance(body, str) else body


@pytest.mark.django_db
class RouteCases:
    routes: ClassVar[list[ApiRoute]]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        """Create the objects that the routes name, and return their ids by name."""
        raise NotImplementedError

    def each(self, subtests: Any) -> Iterator[tuple[ApiRoute, Tenant, dict[str, str]]]:
        for route in self.routes:
            with subtests.test(route=f"{route.method} {route.path}"):
                tenant = make_tenant()
                yield route, tenant, self.make_ids(tenant)

    def test_key_with_the_scope_is_accepted(self, subtests: Any) -> None:
        for route, tenant, ids in self.each(subtests):
            response = route.request(make_client(tenant, route.scope), ids)
            assert response.status_code == route.status, response.content

    def test_request_without_a_key_is_a_401(self, subtests: Any) -> None:
        for route, _, ids in self.each(subtests):
            response = route.request(APIClient(), ids)
            assert response.status_code == 401
            assert response["WWW-Authenticate"] == 'Bearer realm="waypost"'

    def test_invalid_keys_get_the_same_401_whatever_the_reason(self, subtests: Any) -> None:
        for route, tenant, ids in self.each(subtests):
            responses = [route.request(client_with(text), ids) for text in invalid_keys(tenant)]
            assert {response.status_code for response in responses} == {401}
            assert len({response.content for response in responses}) == 1

    def test_key_without_the_scope_is_a_403(self, subtests: Any) -> None:
        for route, tenant, ids in self.each(subtests):
            others = [scope for scope in Scope.values if scope != route.scope]
            response = route.request(make_client(tenant, *others), ids)
            assert (response.status_code, response.json().get("scope")) == (403, route.scope)

    def test_object_of_another_tenant_is_a_404_or_an_unknown_filter(self, subtests: Any) -> None:
        client = make_client(make_tenant())
        for route, _, ids in self.each(subtests):
            if route.names_an_object:
                expected = 404 if "{" in route.path.partition("?")[0] else 400
                assert route.request(client, ids).status_code == expected

    def test_key_of_a_tenant_that_names_another_tenant_is_a_404(self, subtests: Any) -> None:
        for route, _, ids in self.each(subtests):
            other = make_tenant()
            client = make_client(other)
            named = make_tenant().public_id
            assert route.request(client, ids, **{"Waypost-Tenant": named}).status_code == 404

    def test_platform_key_that_names_the_tenant_is_accepted(self, subtests: Any) -> None:
        for route, tenant, ids in self.each(subtests):
            response = route.request(make_client(None, route.scope), ids, **{"Waypost-Tenant": tenant.public_id})
            assert response.status_code == route.status, response.content


def invalid_keys(tenant: Tenant) -> list[str]:
    """Return keys that were never made, are revoked or of a deleted tenant, and texts that are no keys."""
    never_made = "wp_" + "A" * 43
    revoked, revoked_text = make_key(tenant)
    keys.revoke_key(revoked)
    _, orphaned_text = make_key(make_tenant(deleted_at=timezone.now()))
    return [never_made, revoked_text, orphaned_text, "x", ""]
