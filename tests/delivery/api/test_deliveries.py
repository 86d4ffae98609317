"""Deliveries and their attempts over REST."""

from datetime import UTC, datetime, timedelta

import pytest
from rest_framework.test import APIClient

from delivery.reading.timeline import EXPLAINED
from delivery.transports.outcome import Failure
from subscriptions.models import Tenant
from tests.delivery.factories import make_attempt, make_delivery, make_event
from tests.factories import make_client, make_endpoint, make_tenant
from tests.routes import ApiRoute, RouteCases

pytestmark = pytest.mark.django_db

DELIVERIES = "/api/v1/deliveries/"


class TestDeliveryRoutes(RouteCases):
    routes = [
        ApiRoute("get", "deliveries/", "read", 200),
        ApiRoute("get", "deliveries/?endpoint={endpoint}", "read", 200),
        ApiRoute("get", "deliveries/?event={event}", "read", 200),
        ApiRoute("get", "deliveries/{delivery}/", "read", 200),
        ApiRoute("get", "deliveries/{delivery}/attempts/", "read", 200),
        ApiRoute("get", "deliveries/{delivery}/attempts/1/", "read", 200),
        ApiRoute("get", "deliveries/{delivery}/request/", "read", 200),
    ]

    def make_ids(self, tenant: Tenant) -> dict[str, str]:
        event, endpoint = make_event(tenant), make_endpoint(tenant)
        delivery = make_delivery(event, endpoint)
        make_attempt(delivery)
        return {"event": event.public_id, "endpoint": endpoint.public_id, "delivery": delivery.public_id}


def test_delivery_shows_its_attempts_newest_first(client: APIClient, tenant: Tenant) -> None:
    endpoint = make_endpoint(tenant)
    delivery = make_delivery(make_event(tenant, type="order.paid"), endpoint, state="delivered", attempts=2)
    make_attempt(delivery, status=None, error="timeout", duration_ms=15_000)
    make_attempt(delivery, status=200, error="", response="güt".encode() + b"\xff")
    shown = client.get(f"{DELIVERIES}{delivery.public_id}/").json()
    assert (shown["type"], shown["endpoint"], shown["attempts_made"]) == ("order.paid", endpoint.public_id, 2)
    assert [(it["number"], it["status"], it["error"], it["response"]) for it in shown["attempts"]] == [
        (2, 200, "", "güt\ufffd"),
        (1, None, "timeout", ""),
    ]


def test_long_response_is_cut_and_marked(client: APIClient, tenant: Tenant) -> None:
    delivery = make_delivery(make_event(tenant), make_endpoint(tenant))
    make_attempt(delivery, response=b"x" * 16_384)
    [attempt] = client.get(f"{DELIVERIES}{delivery.public_id}/attempts/").json()["data"]
    assert (len(attempt["response"]), attempt["response_truncated"]) == (4_096, True)


def test_delivery_with_many_attempts_shows_the_latest_and_lists_all(client: APIClient, tenant: Tenant) -> None:
    delivery = make_delivery(make_event(tenant), make_endpoint(tenant))
    for _ in range(103):
        make_attempt(delivery)
    path = f"{DELIVERIES}{delivery.public_id}/"
    assert [it["number"] for it in client.get(path).json()["attempts"]] == list(range(103, 3, -1))
    listed = client.get(f"{path}attempts/", {"limit": 200}).json()["data"]
    assert [it["number"] for it in listed] == list(range(103, 0, -1))


def test_filters_select_deliveries(client: APIClient, tenant: Tenant) -> None:
    now = datetime.now(UTC)
    one, other = make_endpoint(tenant, uid="one"), make_endpoint(tenant)
    event = make_event(tenant, created_at=now - timedelta(days=2))
    early = make_delivery(event, one, state="delivered")
    late = make_delivery(make_event(tenant, created_at=now), one)
    elsewhere = make_delivery(event, other)

    def found(**query: str) -> set[str]:
        return {row["id"] for row in client.get(DELIVERIES, query).json()["data"]}

    assert found(endpoint=one.public_id) == found(endpoint="one") == {early.public_id, late.public_id}
    assert found(event=event.public_id) == {early.public_id, elsewhere.public_id}
    assert found(event=event.public_id, endpoint="one") == {early.public_id}
    assert found(state="delivered") == {early.public_id}
    assert found(since=(now - timedelta(days=1)).isoformat()) == {late.public_id}
    assert found(until=(now - timedelta(days=1)).isoformat(), endpoint=other.public_id) == {elsewhere.public_id}


def test_deliveries_of_a_deleted_endpoint_are_found_by_id_only(client: APIClient, tenant: Tenant) -> None:
    endpoint = make_endpoint(tenant, uid="gone", deleted_at=datetime.now(UTC))
    make_delivery(make_event(tenant), endpoint)
    assert len(client.get(DELIVERIES, {"endpoint": endpoint.public_id}).json()["data"]) == 1
    response = client.get(DELIVERIES, {"endpoint": "gone"})
    assert (response.status_code, [it["field"] for it in response.json()["errors"]]) == (400, ["endpoint"])


def test_unknown_state_names_the_parameter(client: APIClient) -> None:
    response = client.get(DELIVERIES, {"state": "lost"})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, "state")


def test_pages_are_complete_without_repeats(client: APIClient, tenant: Tenant) -> None:
    endpoint = make_endpoint(tenant)
    expected = [make_delivery(make_event(tenant), endpoint).public_id for _ in range(7)]
    seen, path = [], f"{DELIVERIES}?limit=3&endpoint={endpoint.public_id}"
    while path:
        page = client.get(path).json()
        seen += [row["id"] for row in page["data"]]
        path = page["next"]
    assert len(seen) == 7
    assert set(seen) == set(expected)


def test_operator_sees_all_tenants_or_the_named_one(tenant: Tenant) -> None:
    for owner in (tenant, make_tenant()):
        make_delivery(make_event(owner), make_endpoint(owner))
    operator = make_client(None)
    assert len(operator.get(DELIVERIES).json()["data"]) == 2
    assert len(operator.get(DELIVERIES, {"tenant": tenant.public_id}).json()["data"]) == 1


def test_attempt_shows_request_curl_and_response_headers(client: APIClient, tenant: Tenant) -> None:
    endpoint = make_endpoint(tenant, url="https://example.com/hooks")
    delivery = make_delivery(make_event(tenant), endpoint)
    headers = b"Content-Type: text/plain\r\nSet-Cookie: ***\r\n"
    attempt = make_attempt(delivery, response_headers=headers)
    by_number = client.get(f"{DELIVERIES}{delivery.public_id}/attempts/1/").json()
    assert by_number == client.get(f"{DELIVERIES}{delivery.public_id}/attempts/{attempt.public_id}/").json()
    assert by_number["response_headers"] == [["content-type", "text/plain"], ["set-cookie", "***"]]
    request = by_number["request"]
    assert (request["method"], request["url"], request["changed"]) == ("POST", "https://example.com/hooks", [])
    assert request["body"].encode() == bytes(delivery.event.body)
    assert request["headers"]["webhook-timestamp"] == str(request["signed_at"])
    assert by_number["curl"].startswith("curl --request POST")


def test_body_that_is_no_text_is_shown_in_base64(client: APIClient, tenant: Tenant) -> None:
    delivery = make_delivery(make_event(tenant), make_endpoint(tenant), body=b"\xff\xfe")
    shown = client.get(f"{DELIVERIES}{delivery.public_id}/request/").json()
    assert (shown["body"], shown["body_base64"]) == (None, "//4=")


@pytest.mark.parametrize("attempt", ["2", "0", "99999", "123456", "x", "att_00000000000000000000000000", "-1", "١"])
def test_unknown_attempt_is_not_found(client: APIClient, tenant: Tenant, attempt: str) -> None:
    delivery = make_delivery(make_event(tenant), make_endpoint(tenant))
    make_attempt(delivery)
    assert client.get(f"{DELIVERIES}{delivery.public_id}/attempts/{attempt}/").status_code == 404


def test_attempt_of_another_delivery_is_not_found(client: APIClient, tenant: Tenant) -> None:
    one, other = (make_delivery(make_event(tenant), make_endpoint(tenant)) for _ in range(2))
    attempt = make_attempt(other)
    assert client.get(f"{DELIVERIES}{one.public_id}/attempts/{attempt.public_id}/").status_code == 404


def test_request_of_an_erased_event_is_a_conflict(client: APIClient, tenant: Tenant) -> None:
    event = make_event(tenant, payload_deleted_at=datetime.now(UTC))
    delivery = make_delivery(event, make_endpoint(tenant))
    assert client.get(f"{DELIVERIES}{delivery.public_id}/request/").status_code == 409


@pytest.mark.parametrize("failure", [it for it in Failure if it is not Failure.STATUS])
def test_failed_attempt_says_why_in_words(client: APIClient, tenant: Tenant, failure: Failure) -> None:
    delivery = make_delivery(make_event(tenant), make_endpoint(tenant), attempts=1)
    make_attempt(delivery, status=None, error=failure.value)
    (shown,) = client.get(f"{DELIVERIES}{delivery.public_id}/attempts/").json()["data"]
    assert (shown["error"], shown["explanation"]) == (failure.value, EXPLAINED[failure])


def test_attempt_whose_response_switches_the_protocol_says_so_in_words(client: APIClient, tenant: Tenant) -> None:
    delivery = make_delivery(make_event(tenant), make_endpoint(tenant), attempts=1)
    make_attempt(delivery, status=101, error=Failure.STATUS.value)
    (shown,) = client.get(f"{DELIVERIES}{delivery.public_id}/attempts/").json()["data"]
    assert (shown["status"], shown["error"]) == (101, "status")
    assert shown["explanation"].startswith("The server switches to another protocol")


def test_explanations_differ_and_those_of_tls_say_what_to_do() -> None:
    assert len(set(EXPLAINED.values())) == len(EXPLAINED) == len(Failure) - 1
    for failure in Failure:
        if failure.name.startswith("TLS"):
            assert any(word in EXPLAINED[failure] for word in ("check", "renew", "issue", "have the server", "enable"))
