"""Endpoints of every type over REST: which fields they have, how settings are checked, tried and kept."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from subscriptions.endpoints.destinations import registry
from subscriptions.endpoints.destinations.settings import connection_of
from subscriptions.models import Endpoint, Tenant
from tests.factories import make_client, make_endpoint, make_plan, make_tenant

pytestmark = pytest.mark.django_db
PATH = "/api/v1/endpoints/"
STREAM = {
    "type": "redis_stream",
    "settings": {"host": "redis.example.com", "stream": "orders"},
    "credentials": {"password": "p-Zeitgeist"},
    "skip_test": True,
}


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def client(tenant: Tenant) -> APIClient:
    return make_client(tenant)


@pytest.fixture
def stream(client: APIClient) -> dict[str, Any]:
    response = client.post(PATH, STREAM, format="json")
    assert response.status_code == 201, response.json()
    return dict(response.json())


def errors(response: Any) -> dict[str, str]:
    assert response.status_code == 400, response.json()
    return {it["pointer"]: it["detail"] for it in response.json()["errors"]}


def row() -> Endpoint:
    return Endpoint.objects.select_related("destination").get()


class TestCreation:
    def test_settings_are_shown_with_their_defaults_and_credentials_never(self, stream: dict[str, Any]) -> None:
        assert stream["type"] == "redis_stream"
        assert stream["settings"] == {"host": "redis.example.com", "stream": "orders", "database": 0, "tls": True}
        assert stream["address"] == "rediss://redis.example.com:6379/0/orders"
        assert "credentials" not in stream
        assert stream["secret"].startswith("whsec_")
        assert [stream[name] for name in ("url", "headers", "auth", "content_mode", "verification")] == [None] * 5

    def test_endpoint_without_a_type_is_called_by_its_url(self, tenant: Tenant, client: APIClient) -> None:
        endpoint = make_endpoint(tenant, url="https://example.com/a")
        shown = client.get(f"{PATH}{endpoint.public_id}/").json()
        assert (shown["type"], shown["settings"], shown["address"]) == ("http", {}, "https://example.com/a")

    def test_unknown_type_is_refused_with_the_one_that_was_meant(self, client: APIClient) -> None:
        found = errors(client.post(PATH, {**STREAM, "type": "redis-stream"}, format="json"))
        assert "redis_stream" in found["#/type"]

    def test_wrong_members_are_named_together(self, client: APIClient) -> None:
        fields = {**STREAM, "settings": {"stream": 5, "size": 1}}
        found = errors(client.post(PATH, fields, format="json"))
        assert {*found} >= {"#/settings/host", "#/settings/stream", "#/settings/size"}

    def test_field_of_another_type_is_refused(self, client: APIClient) -> None:
        found = errors(client.post(PATH, {**STREAM, "url": "https://example.com/"}, format="json"))
        assert found == {"#/url": "Only endpoints of the type http have it; the type of this one is redis_stream."}
        found = errors(client.post(PATH, {"url": "https://example.com/", "settings": {"a": 1}}, format="json"))
        assert found == {
            "#/settings": "Only endpoints of another type than http have it; the type of this one is http."
        }

    def test_url_is_required_for_http_only(self, client: APIClient) -> None:
        assert errors(client.post(PATH, {}, format="json"))["#/url"] == "This field is required."
        assert errors(client.post(PATH, {"url": None}, format="json")) == {"#/url": "This field may not be null."}

    def test_settings_that_do_not_work_are_refused_with_the_field_at_fault(
        self, client: APIClient, settings: Any
    ) -> None:
        settings.WAYPOST_ALLOW_NETWORKS = ["127.0.0.0/8"]
        fields = {**STREAM, "settings": {**STREAM["settings"], "host": "127.0.0.1:1"}, "skip_test": False}
        found = errors(client.post(PATH, fields, format="json"))
        assert "skip_test" in found["#/settings/host"]
        assert not Endpoint.objects.exists()

    def test_type_that_is_not_installed_names_the_extra(
        self, client: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kind = registry.find_kind("redis_stream")
        monkeypatch.setattr(type(kind), "modules", ("not_there",))
        monkeypatch.setattr(type(kind), "extra", "streams")
        found = errors(client.post(PATH, STREAM, format="json"))
        assert "not_there" in found["#/type"]
        assert "waypost[streams]" in found["#/type"]
        (entry,) = [it for it in client.get("/api/v1/endpoint-types/").json()["data"] if it["name"] == "redis_stream"]
        assert (entry["installed"], entry["missing"]) == (False, ["not_there"])

    def test_type_that_the_plan_does_not_allow_is_refused(self) -> None:
        client = make_client(make_tenant(plan=make_plan(endpoint_types=["http", "sqs"])))
        response = client.post(PATH, STREAM, format="json")
        assert response.status_code == 402
        assert response.json()["limit"] == "endpoint_types"
        assert "http, sqs" in response.json()["detail"]

    def test_many_endpoints_of_several_types_are_put_at_once(self, client: APIClient) -> None:
        items = [{**STREAM, "uid": "a"}, {**STREAM, "uid": "c"}]
        result = client.post(f"{PATH}batch/", {"data": items}, format="json").json()
        assert [it["status"] for it in result["data"]] == ["created", "created"]

    def test_item_of_an_unknown_type_is_named_and_nothing_is_put(self, client: APIClient) -> None:
        items = [{**STREAM, "uid": "a"}, {**STREAM, "uid": "c", "type": "x"}]
        found = errors(client.post(f"{PATH}batch/", {"data": items}, format="json"))
        assert list(found) == ["#/data/1/type"]
        assert not Endpoint.objects.exists()


class TestChanges:
    def test_type_cannot_be_changed(self, client: APIClient, stream: dict[str, Any]) -> None:
        found = errors(client.patch(f"{PATH}{stream['id']}/", {"type": "sqs"}, format="json"))
        assert found == {"#/type": "Cannot be changed; create another endpoint."}

    def test_endpoint_can_be_put_as_it_was_fetched(self, client: APIClient, stream: dict[str, Any]) -> None:
        path = f"{PATH}{stream['id']}/"
        fetched = client.get(path).json()
        response = client.put(path, fetched, format="json")
        assert response.status_code == 200, response.json()
        changed = {**response.json(), "updated_at": fetched["updated_at"]}
        assert changed == fetched
        assert connection_of(row().destination).credentials == {"password": "p-Zeitgeist"}

    def test_http_endpoint_can_be_put_as_it_was_fetched(self, tenant: Tenant, client: APIClient, settings: Any) -> None:
        settings.WAYPOST_ALLOW_NETWORKS = ["127.0.0.0/8"]
        path = f"{PATH}{make_endpoint(tenant, url='https://127.0.0.1/').public_id}/"
        fetched = client.get(path).json()
        response = client.put(path, fetched, format="json")
        assert response.status_code == 200, response.json()

    def test_credentials_that_are_left_out_stay_and_null_removes_one(
        self, client: APIClient, stream: dict[str, Any]
    ) -> None:
        path = f"{PATH}{stream['id']}/"
        change = {"settings": {**STREAM["settings"], "stream": "others"}, "skip_test": True}
        assert client.patch(path, change, format="json").json()["address"].endswith("/others")
        assert connection_of(row().destination).credentials == {"password": "p-Zeitgeist"}
        response = client.patch(path, {"credentials": {"password": None}, "skip_test": True}, format="json")
        assert response.status_code == 200
        assert connection_of(row().destination).credentials == {}

    def test_change_raises_the_version_and_remembers_when(self, client: APIClient, stream: dict[str, Any]) -> None:
        before = row()
        client.patch(f"{PATH}{stream['id']}/", {"credentials": {"password": "b"}, "skip_test": True}, format="json")
        after = row()
        assert after.version > before.version
        assert before.destination.settings_changed_at is None
        assert after.destination.settings_changed_at is not None

    def test_same_settings_change_nothing_and_are_not_tried(self, client: APIClient, stream: dict[str, Any]) -> None:
        response = client.patch(f"{PATH}{stream['id']}/", {"settings": stream["settings"]}, format="json")
        assert response.status_code == 200
        assert row().destination.settings_changed_at is None

    def test_other_fields_are_changed_without_a_test(self, client: APIClient, stream: dict[str, Any]) -> None:
        path = f"{PATH}{stream['id']}/"
        assert client.patch(path, {"state": "paused", "rate_limit": 5}, format="json").json()["state"] == "paused"
        assert client.delete(path).status_code == 204


class TestLists:
    def test_list_is_filtered_by_type_and_address(self, client: APIClient, tenant: Tenant, stream: Any) -> None:
        make_endpoint(tenant, url="https://example.com/")
        for query in ("type=redis_stream", "q=redis.example"):
            (found,) = client.get(f"{PATH}?{query}").json()["data"]
            assert found["id"] == stream["id"]

    def test_types_are_listed_with_their_settings(self, client: APIClient) -> None:
        types = {it["name"]: it for it in client.get("/api/v1/endpoint-types/").json()["data"]}
        assert next(iter(types)) == "http"
        assert {*types} == {"http", *registry.FILES}
        password = next(it for it in types["redis_stream"]["settings"] if it["name"] == "password")
        assert password["credential"] is True
