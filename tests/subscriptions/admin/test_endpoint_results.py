"""The page that chooses the endpoints which get the results of another one."""

import pytest
from django.test import Client

from subscriptions.models import Endpoint
from tests.factories import make_endpoint, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint(make_tenant())


def path_of(endpoint: Endpoint, page: str = "results") -> str:
    return f"/admin/subscriptions/endpoint/{endpoint.pk}/{page}/"


def test_endpoints_are_chosen_by_id_or_external_id_and_shown(admin_client: Client, endpoint: Endpoint) -> None:
    results = make_endpoint(endpoint.tenant, uid="errors")
    fields = {"on_success": results.public_id, "on_failure": " errors "}
    assert admin_client.post(path_of(endpoint), fields).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.on_success, endpoint.on_failure) == (results, results)
    assert admin_client.get(path_of(endpoint, "change")).content.decode().count(f"/{results.pk}/change/") == 2
    assert results.public_id in admin_client.get(path_of(endpoint)).content.decode()
    assert admin_client.post(path_of(endpoint), {"on_success": "", "on_failure": ""}).status_code == 302
    endpoint.refresh_from_db()
    assert (endpoint.on_success, endpoint.on_failure) == (None, None)


def test_endpoint_of_another_tenant_or_itself_is_refused(admin_client: Client, endpoint: Endpoint) -> None:
    for other, message in ((make_endpoint(), "no endpoint with this ID"), (endpoint, "Must be another endpoint")):
        page = admin_client.post(path_of(endpoint), {"on_failure": other.public_id})
        assert message in page.content.decode()
    endpoint.refresh_from_db()
    assert endpoint.on_failure is None


def test_page_needs_the_permission(client: Client, endpoint: Endpoint, django_user_model: type) -> None:
    client.force_login(django_user_model.objects.create(username="viewer", is_staff=True))  # type: ignore[attr-defined]
    assert client.get(path_of(endpoint)).status_code == 403
