"""The tenant of a request: from the key, the header or the query."""

import pytest

from tests.factories import make_client, make_endpoint, make_tenant
from tests.factories_receiver import make_source
from tests.subscriptions.api.problems import invalid_fields

pytestmark = pytest.mark.django_db

API = "/api/v1/"


def test_platform_key_reads_all_tenants_or_the_one_it_names():
    one, other = make_endpoint(make_tenant(uid="one")), make_endpoint()
    operator = make_client()

    def listed(query="", **headers):
        return {row["id"] for row in operator.get(f"{API}endpoints/{query}", headers=headers).json()["data"]}

    assert listed() == {one.public_id, other.public_id}
    assert listed("?tenant=one") == {one.public_id}
    assert listed(**{"Waypost-Tenant": other.tenant.public_id}) == {other.public_id}


@pytest.mark.parametrize("path", ["endpoints", "subscriptions", "keys"])
def test_creation_with_a_platform_key_without_a_tenant_is_a_400(path):
    assert invalid_fields(make_client().post(f"{API}{path}/", {})) == ["tenant"]


def test_header_and_query_that_name_different_tenants_are_a_400():
    one, other = make_tenant(), make_tenant()
    response = make_client().get(f"{API}endpoints/?tenant={one.public_id}", headers={"Waypost-Tenant": other.public_id})
    assert invalid_fields(response) == ["tenant"]


@pytest.mark.parametrize("name", ["", "missing", "tnt_00000000000000000000000000", "%00", "%ED%A0%80", "'--"])
def test_unknown_tenant_is_a_404(name):
    assert make_client().get(f"{API}endpoints/?tenant={name}").status_code == 404
    assert make_client(make_tenant()).get(f"{API}endpoints/?tenant={name}").status_code == 404


def test_tenant_that_names_itself_is_accepted():
    tenant = make_tenant(uid="acme")
    client = make_client(tenant)
    for name in ("acme", tenant.public_id):
        assert client.get(f"{API}endpoints/?tenant={name}").status_code == 200


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("endpoints/main/", "tenant"),
        ("endpoints/main/secrets/", "tenant"),
        ("endpoints/main/stats/", "tenant"),
        ("deliveries/?endpoint=main", "endpoint.tenant"),
        ("subscriptions/?endpoint=main", "endpoint.tenant"),
        ("sources/main/", "tenant"),
        ("receipts/?source=main", "source"),
    ],
)
def test_uid_in_a_request_with_a_platform_key_requires_the_tenant(path, field):
    tenant = make_tenant(uid="acme")
    make_endpoint(tenant, uid="main")
    make_source(tenant_id=tenant.pk, uid="main")
    platform = make_client()
    assert invalid_fields(platform.get(f"{API}{path}")) == [field]
    assert platform.get(f"{API}{path}", headers={"Waypost-Tenant": "acme"}).status_code == 200


def test_uid_in_a_delete_without_a_tenant_deletes_nothing():
    endpoint = make_endpoint(uid="main")
    assert invalid_fields(make_client().delete(f"{API}endpoints/main/")) == ["tenant"]
    endpoint.refresh_from_db()
    assert endpoint.deleted_at is None


def test_tenant_that_a_platform_key_names_and_does_not_exist_is_a_404_that_says_how_to_create_it():
    response = make_client().get(f"{API}endpoints/", headers={"Waypost-Tenant": "acme"})
    assert response.status_code == 404
    assert response.json()["detail"] == "There is no tenant 'acme'; create it with PUT /api/v1/tenants/acme/."
