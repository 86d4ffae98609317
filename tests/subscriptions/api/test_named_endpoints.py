"""An endpoint names others that get its results, by id or uid."""

import pytest
from rest_framework.test import APIClient

from subscriptions.models import Endpoint, Tenant
from tests.factories import URL, client_with, make_client, make_endpoint, make_key, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def client(tenant: Tenant) -> APIClient:
    return make_client(tenant)


@pytest.fixture
def results(tenant: Tenant) -> Endpoint:
    return make_endpoint(tenant, uid="results")


def path_of(endpoint: Endpoint) -> str:
    return f"/api/v1/endpoints/{endpoint.public_id}/"


def test_endpoints_are_named_by_uid_and_shown_by_id(client: APIClient, results: Endpoint) -> None:
    body = {"url": URL, "on_success": "results", "on_failure": results.public_id}
    response = client.post("/api/v1/endpoints/", body, "json")
    assert response.status_code == 201, response.json()
    shown = response.json()
    assert (shown["on_success"], shown["on_failure"]) == (results.public_id, results.public_id)


def test_patch_keeps_and_put_clears_what_is_left_out(client: APIClient, tenant: Tenant, results: Endpoint) -> None:
    path = path_of(make_endpoint(tenant, on_failure=results))
    assert client.patch(path, {"on_success": "results"}, "json").json()["on_failure"] == results.public_id
    shown = client.put(path, {"url": URL}, "json").json()
    assert (shown["on_success"], shown["on_failure"]) == (None, None)


def test_endpoint_of_another_tenant_or_itself_is_a_problem_of_the_field(client: APIClient, results: Endpoint) -> None:
    for name in (make_endpoint(uid="other").public_id, "other", "results"):
        response = client.patch(path_of(results), {"on_failure": name}, "json")
        assert response.status_code == 400, name
        assert [it["field"] for it in response.json()["errors"]] == ["on_failure"]


def test_key_of_one_endpoint_names_no_other(tenant: Tenant, results: Endpoint) -> None:
    endpoint = make_endpoint(tenant)
    limited = client_with(make_key(tenant, "read", "manage", endpoint=endpoint)[1])
    response = limited.patch(path_of(endpoint), {"on_failure": "results"}, "json")
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "on_failure"


def test_list_reads_no_row_for_each_named_endpoint(
    client: APIClient, tenant: Tenant, results: Endpoint, django_assert_max_num_queries: object
) -> None:
    for _ in range(5):
        make_endpoint(tenant, on_failure=results, on_success=results)
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        assert len(client.get("/api/v1/endpoints/").json()["data"]) == 6


def test_deleting_the_named_endpoint_clears_the_fields(client: APIClient, tenant: Tenant, results: Endpoint) -> None:
    endpoint = make_endpoint(tenant, on_failure=results)
    assert client.delete(path_of(results)).status_code == 204
    assert client.get(path_of(endpoint)).json()["on_failure"] is None
