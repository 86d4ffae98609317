"""Create endpoints from connectors over REST, and preview their requests."""

from typing import Any

import orjson
import pytest
from rest_framework.test import APIClient

from subscriptions.connectors.catalogue import list_connectors
from subscriptions.endpoints.http.encrypted_fields import decrypt_fields
from subscriptions.models import Endpoint, Scope, Subscription, Tenant
from tests.factories import make_client, make_tenant

pytestmark = pytest.mark.django_db
ROOT = "/api/v1/connectors/"
PAGERDUTY = {"settings": {}, "credentials": {"routing_key": "R" + "0" * 31}}


@pytest.fixture(autouse=True)
def loopback(settings: Any) -> None:
    settings.WAYPOST_ALLOW_HTTP, settings.WAYPOST_ALLOW_NETWORKS = True, ["127.0.0.0/8"]


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def client(tenant: Tenant) -> APIClient:
    return make_client(tenant)


def post(client: APIClient, path: str, body: Any, status: int = 200) -> Any:
    response = client.post(f"{ROOT}{path}/", body, format="json")
    assert response.status_code == status, response.content.decode()
    return response.json()


def local(**settings: Any) -> dict[str, Any]:
    return {"url": "http://127.0.0.1:8099/hook", **settings}


def test_list_and_detail_show_every_connector(client: APIClient) -> None:
    listed = client.get(ROOT).json()["data"]
    assert [it["name"] for it in listed] == [it.name for it in list_connectors()]
    for each in listed:
        shown = client.get(f"{ROOT}{each['name']}/").json()
        assert shown["settings"]
        assert shown["messages"][0]["expected_body"]
    assert client.get(f"{ROOT}none/").status_code == 404


def test_endpoint_of_a_connector_has_its_request_and_subscriptions(client: APIClient) -> None:
    body = {
        "settings": {"base_url": "http://127.0.0.1:8099/"},
        "credentials": PAGERDUTY["credentials"],
        "subscriptions": [
            {"event_types": ["service.down"]},
            {"event_types": ["service.up"], "message": "resolve", "pattern": {"data": {"region": ["eu"]}}},
        ],
        "uid": "pager",
        "labels": {"team": "ops"},
    }
    created = post(client, "pagerduty/endpoints", body, 201)
    assert (created["url"], created["connector"]) == ("http://127.0.0.1:8099/v2/enqueue", "pagerduty")
    assert created["auth"] == {"type": "body", "name": "routing_key"}
    assert created["secret"].startswith("whsec_")
    assert (created["uid"], created["labels"]) == ("pager", {"team": "ops"})
    row = Endpoint.objects.get()
    assert decrypt_fields(row.http).auth["value"] == PAGERDUTY["credentials"]["routing_key"]
    templates = {it.event_types[0]: it.transformer["template"] for it in Subscription.objects.all()}
    assert '"trigger"' in templates["service.down"]
    assert '"resolve"' in templates["service.up"]
    assert client.patch("/api/v1/endpoints/pager/", {"rate_limit": 1}, format="json").json()["connector"] == "pagerduty"


@pytest.mark.parametrize(
    ("name", "body", "status", "field"),
    [
        ("discord", {}, 400, "settings"),
        ("discord", {"settings": local(nme="x")}, 400, "settings"),
        ("discord", {"settings": {"url": "http://10.0.0.1/"}}, 400, "settings"),
        (
            "discord",
            {"settings": local(), "subscriptions": [{"event_types": ["a"], "message": "no"}]},
            400,
            "subscriptions",
        ),
        ("discord", {"settings": local(), "subscriptions": [{"message": "event"}]}, 400, "subscriptions"),
        (
            "grafana",
            {"settings": {"base_url": "http://127.0.0.1:8099"}, "credentials": {"token": "a b"}},
            400,
            "credentials",
        ),
        ("discord", {"settings": local(), "transformer": {}}, 400, "transformer"),
        (
            "pagerduty",
            {**PAGERDUTY, "subscriptions": [{"event_types": ["a"]}, {"event_types": ["a"], "message": "resolve"}]},
            409,
            "transformer",
        ),
    ],
)
def test_wrong_fields_are_named_and_nothing_is_created(
    client: APIClient, name: str, body: dict[str, Any], status: int, field: str
) -> None:
    if name == "pagerduty":
        body = {**body, "settings": {"base_url": "http://127.0.0.1:8099"}}
    problem = post(client, f"{name}/endpoints", body, status)
    assert any(it["pointer"].split("/")[1] == field for it in problem["errors"]), problem
    assert not Endpoint.objects.exists()


def test_subscription_with_an_expression_sends_what_it_makes_in_place_of_the_message(client: APIClient) -> None:
    expression = {"jsonata": "{'event_action': 'trigger', 'payload': {'summary': data.title}}"}
    subscription = {"event_types": ["service.down"], "transformer": expression}
    body = {**PAGERDUTY, "settings": {"base_url": "http://127.0.0.1:8099/"}, "subscriptions": [subscription]}
    post(client, "pagerduty/endpoints", body, 201)
    (row,) = Subscription.objects.all()
    assert row.transformer == {"content_type": "application/json", **expression}


@pytest.mark.parametrize(
    ("transformer", "pointer"),
    [({"jsonata": "data..x"}, "transformer/jsonata"), ({"jsonata": "1", "template": "x"}, "transformer/template")],
)
def test_expression_that_cannot_work_is_named_and_nothing_is_created(
    client: APIClient, transformer: dict[str, Any], pointer: str
) -> None:
    subscription = {"event_types": ["order.*"], "transformer": transformer}
    problem = post(client, "discord/endpoints", {"settings": local(), "subscriptions": [subscription]}, 400)
    assert [it["pointer"] for it in problem["errors"]] == [f"#/subscriptions/0/{pointer}"]
    assert not Endpoint.objects.exists()
    shown = post(client, "discord/preview", {"settings": local(), "transformer": transformer}, 400)
    assert [it["pointer"] for it in shown["errors"]] == [f"#/{pointer}"]


def test_uid_in_use_is_a_conflict(client: APIClient) -> None:
    body = {"settings": local(), "uid": "chat"}
    post(client, "discord/endpoints", body, 201)
    post(client, "discord/endpoints", body, 409)


def test_preview_shows_the_exact_request_without_credentials(client: APIClient) -> None:
    shown = post(client, "pagerduty/preview", {"settings": {"summary": "<$.data.message>"}})
    assert (shown["method"], shown["url"]) == ("POST", "https://events.pagerduty.com/v2/enqueue")
    body = orjson.loads(shown["body"])
    assert body["routing_key"] == "***"
    assert body["payload"]["summary"] == "3 of 5 probes fail"
    assert shown["headers"]["content-type"] == "application/json"
    resolved = post(client, "pagerduty/preview", {"message": "resolve"})
    assert orjson.loads(resolved["body"])["event_action"] == "resolve"


@pytest.mark.parametrize("name", ["jira", "grafana", "linear", "salesforce", "telegram", "segment"])
def test_preview_masks_every_form_of_authentication(client: APIClient, name: str) -> None:
    connector = next(it for it in list_connectors() if it.name == name)
    shown = post(client, f"{name}/preview", {"settings": connector.example["settings"]})
    assert "***" in str(shown)
    assert not any(secret in str(shown) for secret in connector.example["credentials"].values())


def test_preview_of_a_given_event(client: APIClient) -> None:
    event = {"type": "order.paid", "data": {"total": 5}}
    shown = post(client, "discord/preview", {"settings": local(message="total <$.data.total>"), "event": event})
    assert orjson.loads(shown["body"])["content"] == "total 5"
    post(client, "discord/preview", {"settings": local(), "event": "evt_01m83t2ghzevcannga6my0tf3k"}, 400)
    post(client, "discord/preview", {"settings": local(), "message": "no"}, 400)
    post(client, "discord/preview", {}, 400)
    post(client, "none/preview", {}, 404)


def test_preview_of_an_expression_has_the_rest_of_the_connectors_request(client: APIClient) -> None:
    transformer = {"jsonata": "{'event_action': 'trigger', 'payload': {'summary': $uppercase(data.message)}}"}
    shown = post(client, "pagerduty/preview", {"transformer": transformer})
    assert orjson.loads(shown["body"]) == {
        "routing_key": "***",
        "event_action": "trigger",
        "payload": {"summary": "3 OF 5 PROBES FAIL"},
    }
    assert shown["headers"]["content-type"] == "application/json"
    failed = post(client, "pagerduty/preview", {"transformer": {"jsonata": "data.none"}})
    assert (failed["body"], "no value" in failed["transformation_error"]) == ("", True)


@pytest.mark.parametrize("expression", ["*", "5", "'text'", "[1, 2]", "null"])
def test_preview_of_a_body_that_cannot_have_the_credential_says_why(client: APIClient, expression: str) -> None:
    shown = post(client, "pagerduty/preview", {"transformer": {"jsonata": expression}})
    assert (shown["body"], "JSON object" in shown["transformation_error"]) == ("", True)


def test_key_that_may_only_read_previews_and_creates_nothing(tenant: Tenant) -> None:
    client = make_client(tenant, Scope.READ)
    post(client, "discord/preview", {"settings": local()})
    post(client, "discord/endpoints", {"settings": local()}, 403)
