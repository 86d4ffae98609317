"""Test the audit over REST."""

import json

import pytest

from subscriptions.models import Tenant
from tests.factories import make_client, make_endpoint, make_tenant
from tests.factories_receiver import make_source
from tests.routes import ApiRoute, RouteCases
from webhooks.audit.models import AuditEntry

pytestmark = pytest.mark.django_db

API = "/api/v1/audit/"


class TestRoutes(RouteCases):
    routes = [
        ApiRoute("get", "audit/", "read", 200),
        ApiRoute("get", "audit/export/", "read", 200),
        ApiRoute("get", "audit/{entry}/", "read", 200),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        return {"entry": AuditEntry.objects.filter(tenant_id=tenant.pk).latest("id").public_id}


def test_list_shows_the_changes_of_an_object_with_values_before_and_after() -> None:
    tenant = make_tenant()
    endpoint, client = make_endpoint(tenant), make_client(tenant)
    changed = client.patch(f"/api/v1/endpoints/{endpoint.public_id}/", {"description": "new"}, format="json")
    assert changed.status_code == 200
    (entry,) = client.get(f"{API}?object={endpoint.public_id}&action=changed").json()["data"]
    assert (entry["object_type"], entry["object_id"]) == ("endpoint", endpoint.public_id)
    assert (entry["before"], entry["after"]) == ({"description": ""}, {"description": "new"})
    assert entry["actor"]["type"] == "key"
    assert entry["actor"]["address"] == "127.0.0.1"


def test_tenant_sees_an_operator_without_name_and_address() -> None:
    tenant = make_tenant()
    endpoint = make_endpoint(tenant)
    operator = make_client(None)
    operator.patch(f"/api/v1/endpoints/{endpoint.public_id}/", {"description": "x"}, format="json")
    path = f"{API}?object={endpoint.public_id}&action=changed"
    (shown,) = make_client(tenant).get(path).json()["data"]
    assert shown["actor"] == {"type": "key", "id": "", "name": "operator", "address": ""}
    (full,) = operator.get(path).json()["data"]
    assert full["actor"]["address"] == "127.0.0.1"
    assert full["actor"]["id"]


def test_export_is_one_json_object_a_line_oldest_first_and_continues() -> None:
    tenant = make_tenant()
    make_endpoint(tenant)
    client = make_client(tenant)
    response = client.get(f"{API}export/")
    assert response["Content-Type"] == "application/jsonl"
    lines = [json.loads(line) for line in b"".join(response.streaming_content).splitlines()]
    assert [it["id"] for it in lines] == sorted(it["id"] for it in lines)
    assert lines[0]["object_type"] == "tenant"
    rest = b"".join(client.get(f"{API}export/?after={lines[0]['id']}").streaming_content)
    assert [json.loads(line)["id"] for line in rest.splitlines()] == [it["id"] for it in lines[1:]]


def test_filter_by_an_unknown_object_actor_or_type_is_a_400_that_names_it() -> None:
    tenant = make_tenant()
    foreign = make_endpoint(make_tenant()).public_id
    client = make_client(tenant)
    for name in ("object", "actor"):
        for text in ("nothing", "ep_01h455vb4pex5vsknk084sn02q", foreign, "%00"):
            response = client.get(f"{API}?{name}={text}")
            assert response.status_code == 400, text
            assert [it["field"] for it in response.json()["errors"]] == [name]
    (error,) = client.get(f"{API}?object_type=endpiont").json()["errors"]
    assert error["field"] == "object_type"
    assert "endpoint" in error["detail"]


def test_object_that_is_deleted_keeps_its_entries_and_one_without_entries_is_known() -> None:
    tenant = make_tenant()
    source, client = make_source(tenant_id=tenant.pk), make_client(tenant)
    made = client.post("/api/v1/keys/", {"name": "a", "scopes": ["read"]}, format="json").json()
    assert client.delete(f"/api/v1/keys/{made['id']}/").status_code == 204
    assert client.get(f"{API}?object={made['id']}").json()["data"]
    assert client.get(f"{API}?actor={made['id']}").json()["data"] == []
    assert client.get(f"{API}?object={source.public_id}&action=viewed").json()["data"] == []


@pytest.mark.parametrize("path", ["events/", "events/batch/"])
def test_publishing_has_no_entries(path: str) -> None:
    client = make_client(make_tenant())
    before = AuditEntry.objects.count()
    event = {"type": "order.paid", "data": {}}
    response = client.post(f"/api/v1/{path}", [event, event] if "batch" in path else event, format="json")
    assert response.status_code == 202
    assert AuditEntry.objects.count() == before
