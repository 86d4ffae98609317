"""The tenant of a request: from the key, the header or the query."""

import pytest

from tests.factories import make_client, make_endpoint, make_tenant
from tests.subscriptions.api.problems import invalid_fields

pytestmark = pytest.mark.django_db

API = "/api/v1/"


def test_operator_reads_all_tenants_or_the_one_it_names():
    one, other = make_endpoint(make_tenant(uid="one")), make_endpoint()
    operator = make_client()

    def listed(query="", **headers):
        return {row["id"] for row in operator.get(f"{API}endpoints/{query}", headers=headers).json()["data"]}

    assert listed() == {one.public_id, other.public_id}
    assert listed("?tenant=one") == {one.public_id}
    assert listed(**{"Waypost-Tenant": other.tenant.public_id}) == {other.public_id}


@pytest.mark.parametrize("path", ["endpoints", "subscriptions", "keys"])
def test_creation_by_an_operator_without_a_tenant_is_a_400(path):
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


def test_uid_of_several_tenants_requires_the_tenant():
    one, _ = make_endpoint(uid="main"), make_endpoint(uid="main")
    operator = make_client()
    assert invalid_fields(operator.get(f"{API}endpoints/main/")) == ["tenant"]
    found = operator.get(f"{API}endpoints/main/?tenant={one.tenant.public_id}")
    assert found.json()["id"] == one.public_id
