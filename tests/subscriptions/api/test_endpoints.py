"""Endpoints over REST."""

import pytest
from django.utils import timezone
from standardwebhooks import Webhook

from subscriptions.models import Endpoint
from tests.factories import URL, make_client, make_endpoint, make_subscription, make_tenant
from tests.routes import ApiRoute, RouteCases
from tests.subscriptions.api.problems import invalid_fields
from webhooks.wire.signing.standard_webhooks import sign

pytestmark = pytest.mark.django_db

API = "/api/v1/"


class TestEndpointRoutes(RouteCases):
    routes = (
        ApiRoute("get", "endpoints/", "read", 200),
        ApiRoute("post", "endpoints/", "manage", 201, {"url": URL}),
        ApiRoute("get", "endpoints/{endpoint}/", "read", 200),
        ApiRoute("put", "endpoints/{endpoint}/", "manage", 200, {"url": URL}),
        ApiRoute("patch", "endpoints/{endpoint}/", "manage", 200, {"state": "paused"}),
        ApiRoute("delete", "endpoints/{endpoint}/", "manage", 204),
    )

    def make_ids(self, tenant):
        return {"endpoint": make_endpoint(tenant).public_id}


def test_secret_is_shown_only_when_created_and_verifies():
    client = make_client(make_tenant())
    created = client.post(f"{API}endpoints/", {"url": URL, "uid": "main"})
    assert created.status_code == 201
    assert created["Cache-Control"] == "no-store"
    secret = created.json()["secret"]
    headers = {"webhook-id": "m", "webhook-timestamp": str(int(timezone.now().timestamp()))}
    headers["webhook-signature"] = sign(secret, "m", int(headers["webhook-timestamp"]), b"{}")
    assert Webhook(secret).verify(b"{}", headers) == {}
    for ref in ("main", created.json()["id"]):
        seen = client.get(f"{API}endpoints/{ref}/")
        assert seen.json() == {name: value for name, value in created.json().items() if name != "secret"}


def test_representation_can_be_put_back_unchanged():
    tenant = make_tenant()
    client = make_client(tenant)
    endpoint = make_endpoint(tenant, uid="main", headers={"x-a": "b"}, retry_plan=[1, 2], rate_limit=5)
    read = client.get(f"{API}endpoints/main/").json()
    put = client.put(f"{API}endpoints/{endpoint.public_id}/", read)
    assert put.status_code == 200, put.content
    assert {**put.json(), "updated_at": None} == {**read, "updated_at": None}


def test_put_replaces_all_fields_but_the_state():
    tenant = make_tenant()
    endpoint = make_endpoint(tenant, uid="main", state="paused", description="old", headers={"x-a": "b"}, rate_limit=5)
    put = make_client(tenant).put(f"{API}endpoints/{endpoint.public_id}/", {"url": URL}).json()
    assert (put["uid"], put["description"], put["headers"], put["rate_limit"]) == (None, "", {}, None)
    assert put["state"] == "paused"


def test_patch_changes_only_the_given_fields():
    tenant = make_tenant()
    endpoint = make_endpoint(tenant, description="old", rate_limit=5)
    patched = make_client(tenant).patch(f"{API}endpoints/{endpoint.public_id}/", {"rate_limit": None}).json()
    assert (patched["rate_limit"], patched["description"]) == (None, "old")


def test_tenant_pauses_and_resumes_but_does_not_disable():
    tenant = make_tenant()
    path = f"{API}endpoints/{make_endpoint(tenant).public_id}/"
    client = make_client(tenant)
    assert client.patch(path, {"state": "paused"}).json()["state"] == "paused"
    assert client.patch(path, {"state": "active"}).json()["state"] == "active"
    assert invalid_fields(client.patch(path, {"state": "disabled"})) == ["state"]


def test_endpoint_disabled_by_an_operator_is_enabled_by_operators_only():
    tenant = make_tenant()
    path = f"{API}endpoints/{make_endpoint(tenant).public_id}/"
    operator, client = make_client(), make_client(tenant)
    assert operator.patch(path, {"state": "disabled"}).json()["disabled_reason"] == "operator"
    assert invalid_fields(client.patch(path, {"state": "active"}), 409) == ["state"]
    assert operator.patch(path, {"state": "active"}).json()["state"] == "active"


def test_deleted_endpoint_is_a_404_with_its_subscriptions():
    subscription = make_subscription()
    endpoint = subscription.endpoint
    client = make_client(endpoint.tenant)
    path = f"{API}endpoints/{endpoint.public_id}/"
    assert client.delete(path).status_code == 204
    for gone in (path, f"{path}secrets/", f"{API}subscriptions/{subscription.public_id}/"):
        assert client.get(gone).status_code == 404
    assert client.get(f"{API}endpoints/").json()["data"] == []
    assert client.delete(path).status_code == 404


def test_endpoints_are_listed_newest_first_and_by_state():
    tenant = make_tenant()
    old, new = make_endpoint(tenant), make_endpoint(tenant, state="paused")
    client = make_client(tenant)
    assert [row["id"] for row in client.get(f"{API}endpoints/").json()["data"]] == [new.public_id, old.public_id]
    assert [row["id"] for row in client.get(f"{API}endpoints/?state=paused").json()["data"]] == [new.public_id]
    assert invalid_fields(client.get(f"{API}endpoints/?state=lost")) == ["state"]


NUL, HALF = "a\0b", "a\ud800b"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"url": None}, "url"),
        ({"url": ""}, "url"),
        ({"url": 5}, "url"),
        ({"url": ["https://example.com/"]}, "url"),
        ({"url": "https://inside.example.com/"}, "url"),
        ({"url": "http://169.254.169.254/"}, "url"),
        ({"url": "https://example.com/" + "a" * 2048}, "url"),
        ({"url": "https://example.com/\r\nx"}, "url"),
        ({"uid": ""}, "uid"),
        ({"uid": "a b"}, "uid"),
        ({"uid": "a\n"}, "uid"),
        ({"uid": NUL}, "uid"),
        ({"uid": "x" * 257}, "uid"),
        ({"uid": "ep_01m83t2ghzevcannga6my0tf3k"}, "uid"),
        ({"description": NUL}, "description"),
        ({"description": 5}, "description"),
        ({"description": "x" * 1025}, "description"),
        ({"state": "lost"}, "state"),
        ({"state": ["active"]}, "state"),
        ({"content_mode": "both"}, "content_mode"),
        ({"timeout_ms": "5000"}, "timeout_ms"),
        ({"timeout_ms": True}, "timeout_ms"),
        ({"timeout_ms": 999}, "timeout_ms"),
        ({"timeout_ms": 30_001}, "timeout_ms"),
        ({"timeout_ms": 5000.5}, "timeout_ms"),
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"rate_limit": 0}, "rate_limit"),
        ({"rate_limit": 2**63}, "rate_limit"),
        ({"rate_period": "hour"}, "rate_period"),
        ({"rate_period": 5}, "rate_period"),
        ({"rate_burst": 0}, "rate_burst"),
        ({"rate_burst": "5"}, "rate_burst"),
        ({"rate_burst": 100_001}, "rate_burst"),
        ({"retry_plan": [0]}, "retry_plan.0"),
        ({"retry_plan": ["5"]}, "retry_plan.0"),
        ({"retry_plan": [5] * 51}, "retry_plan"),
        ({"retry_plan": 5}, "retry_plan"),
        ({"headers": None}, "headers"),
        ({"headers": []}, "headers"),
        ({"headers": {"x-a": 5}}, "headers"),
        ({"headers": {"x-a": "b\r\nhost: c"}}, "headers"),
        ({"headers": {"host": "example.com"}}, "headers"),
        ({"headers": {"webhook-signature": "v1,x"}}, "headers"),
        ({"headers": {NUL: "x"}}, "headers"),
        ({"metadata": None}, "metadata"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"a": {"b": {"c": {"d": {"e": 1}}}}}}, "metadata"),
        ({"metadata": {"a": "x" * 8192}}, "metadata"),
        ({"metadata": {"a": NUL}}, "metadata"),
        ({"metadata": {NUL: "a"}}, "metadata"),
        ({"secret": "whsec_short"}, "secret"),
        ({"secret": 5}, "secret"),
        ({"tennant": "x"}, "tennant"),
        ({"id": "ep_01m83t2ghzevcannga6my0tf3k"}, "id"),
        ({"version": 5}, "version"),
    ],
)
def test_invalid_endpoint_is_a_400_that_names_the_field_and_writes_nothing(changes, field):
    response = make_client(make_tenant()).post(f"{API}endpoints/", {"url": URL, **changes})
    assert invalid_fields(response) == [field]
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize("body", ["[]", '"text"', "5", "null", "true", "", "{", "[" * 100_000])
def test_body_that_is_no_object_is_a_400(body):
    tenant = make_tenant()
    client = make_client(tenant)
    path = f"{API}endpoints/{make_endpoint(tenant).public_id}/"
    for method, address in (("POST", f"{API}endpoints/"), ("PUT", path)):
        assert client.generic(method, address, body, "application/json").status_code == 400


def test_unpaired_surrogate_is_a_400_in_any_field():
    client = make_client(make_tenant())
    response = client.generic("POST", f"{API}endpoints/", '{"url": "https://example.com/\\ud800"}', "application/json")
    assert response.status_code == 400


def test_all_invalid_fields_are_named_together():
    response = make_client(make_tenant()).post(f"{API}endpoints/", {"timeout_ms": 1, "rate_limit": 0, "headers": []})
    assert set(invalid_fields(response)) == {"url", "timeout_ms", "rate_limit", "headers"}


def test_error_of_a_url_is_the_same_on_update_and_creation():
    tenant = make_tenant()
    client = make_client(tenant)
    path = f"{API}endpoints/{make_endpoint(tenant).public_id}/"
    body = {"url": "https://inside.example.com/"}
    created, put, patched = client.post(f"{API}endpoints/", body), client.put(path, body), client.patch(path, body)
    assert created.json() == put.json() == patched.json()
    assert invalid_fields(patched) == ["url"]


def test_uid_in_use_is_a_conflict():
    tenant = make_tenant()
    make_endpoint(tenant, uid="main")
    other = make_endpoint(tenant)
    client = make_client(tenant)
    assert invalid_fields(client.post(f"{API}endpoints/", {"url": URL, "uid": "main"}), 409) == ["uid"]
    assert invalid_fields(client.patch(f"{API}endpoints/{other.public_id}/", {"uid": "main"}), 409) == ["uid"]


@pytest.mark.parametrize(
    "ref", ["ep_0", "tnt_01m83t2ghzevcannga6my0tf3k", "%00", "a%0a", "é", "EP_01", "ep_zzzzzzzzzzzzzzzzzzzzzzzzzz"]
)
def test_malformed_id_is_a_404(ref):
    assert make_client(make_tenant()).get(f"{API}endpoints/{ref}/").status_code == 404


@pytest.mark.parametrize(
    ("field", "number", "detail"),
    [
        ("timeout_ms", 5, "Must be at least 1000."),
        ("max_in_flight", 99_999, "Must be at most 512."),
        ("rate_limit", -1, "Must be at least 1."),
    ],
)
def test_number_out_of_its_range_is_refused_with_the_bound(field, number, detail):
    endpoint = make_endpoint()
    response = make_client(endpoint.tenant).patch(f"/api/v1/endpoints/{endpoint.public_id}/", {field: number})
    assert response.status_code == 400
    assert [(it["field"], it["detail"]) for it in response.json()["errors"]] == [(field, detail)]
