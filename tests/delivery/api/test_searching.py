"""Filters and expansion of the delivery lists over REST."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from delivery.models import Delivery
from delivery.reading import expand
from subscriptions.models import Endpoint, Tenant
from tests.delivery.factories import make_attempt, make_dead_letter, make_delivery, make_event, make_replay
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def deliveries(tenant: Tenant, endpoint: Endpoint) -> list[Delivery]:
    """Create a delivered, a failed and pending, a dead and a cancelled delivery."""
    types = ["order.paid", "order.paid", "order.lost", "invoice.sent"]
    states = ["delivered", "pending", "dead", "cancelled"]
    results: list[tuple[int | None, str]] = [(200, ""), (503, "status"), (None, "timeout"), (404, "status")]
    made = []
    for number in range(4):
        event = make_event(
            tenant, type=types[number], subject=f"customer/{number}", event_id=f"Ev_{number}", source=f"/shop/{number}"
        )
        status, error = results[number]
        made.append(make_delivery(event, endpoint, state=states[number], last_status=status, last_error=error))
    return made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"type": "order.paid"}, {0, 1}),
        ({"type": "order.*"}, {0, 1, 2}),
        ({"subject": "customer/2"}, {2}),
        ({"state": "delivered"}, {0}),
        ({"state": "pending"}, {1}),
        ({"state": "dead"}, {2}),
        ({"state": "cancelled"}, {3}),
        ({"status": "5xx"}, {1}),
        ({"status": "2xx"}, {0}),
        ({"status": "404"}, {3}),
        ({"error": "timeout"}, {2}),
        ({"error": "status", "status": "4xx"}, {3}),
        ({"q": "ev_1"}, {1}),
        ({"q": "ORDER"}, {0, 1, 2}),
        ({"q": "%d"}, set()),
        ({"q": "customer/3"}, {3}),
        ({"q": "/shop/"}, {0, 1, 2, 3}),
        ({"type": "order.paid", "state": "pending", "q": "shop"}, {1}),
    ],
)
def test_filters_select_deliveries_by_event_and_result(
    client: APIClient, deliveries: list[Delivery], endpoint: Endpoint, query: dict[str, str], found: set[int]
) -> None:
    expected = {deliveries[number].public_id for number in found}
    for more in ({}, {"endpoint": endpoint.public_id}):
        response = client.get("/api/v1/deliveries/", {**query, **more}).json()
        assert {row["id"] for row in response["data"]} == expected
        assert response["next"] is None


def test_filter_text_may_look_like_an_id(client: APIClient, deliveries: list[Delivery]) -> None:
    for name in (deliveries[2].public_id, deliveries[2].event.public_id):
        response = client.get("/api/v1/deliveries/", {"q": name}).json()
        assert [row["id"] for row in response["data"]] == [deliveries[2].public_id]


def test_replay_filter_selects_deliveries(client: APIClient, tenant: Tenant, deliveries: list[Delivery]) -> None:
    row = make_replay(tenant)
    Delivery.objects.filter(pk=deliveries[1].pk).update(replay=row)
    response = client.get("/api/v1/deliveries/", {"replay": row.public_id}).json()
    assert [it["id"] for it in response["data"]] == [deliveries[1].public_id]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"type": "order.paid"}, {0, 1}),
        ({"subject": "customer/0"}, {0}),
        ({"source": "/shop/1"}, {1}),
        ({"event_id": "Ev_2"}, {2}),
        ({"event_id": "Ev_2", "source": "/shop/1"}, set()),
        ({"q": "invoice"}, {3}),
    ],
)
def test_filters_select_events_by_attribute(
    client: APIClient, deliveries: list[Delivery], query: dict[str, str], found: set[int]
) -> None:
    response = client.get("/api/v1/events/", query).json()
    assert {row["id"] for row in response["data"]} == {deliveries[number].event.public_id for number in found}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"type": "order.lost"}, {2}),
        ({"status": "500"}, {1, 2}),
        ({"error": "status"}, {1, 2}),
        ({"error": "dns"}, set()),
        ({"q": "customer/1"}, {1}),
        ({"cause": "exhausted", "state": "open"}, {1, 2}),
        ({"cause": "responded_410"}, set()),
        ({"state": "replayed"}, set()),
    ],
)
def test_filters_select_dead_letters_by_event_and_cause(
    client: APIClient, deliveries: list[Delivery], query: dict[str, str], found: set[int]
) -> None:
    letters = {number: make_dead_letter(deliveries[number]) for number in (1, 2)}
    response = client.get("/api/v1/dead-letters/", query).json()
    assert {row["id"] for row in response["data"]} == {letters[number].public_id for number in found}


def test_filters_select_attempts_by_result(client: APIClient, deliveries: list[Delivery]) -> None:
    make_attempt(deliveries[0], status=503)
    make_attempt(deliveries[0], status=200, error="")
    make_attempt(deliveries[0], status=None, error="reset")
    path = f"/api/v1/deliveries/{deliveries[0].public_id}/attempts/"
    for query, numbers in [({"status": "5xx"}, [1]), ({"status": "200"}, [2]), ({"error": "reset"}, [3])]:
        assert [row["number"] for row in client.get(path, query).json()["data"]] == numbers


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("deliveries", {"status": "6xx"}, "status"),
        ("deliveries", {"status": "5XX"}, "status"),
        ("deliveries", {"error": "bad luck"}, "error"),
        ("deliveries", {"q": "x"}, "q"),
        ("deliveries", {"q": "x" * 257}, "q"),
        ("deliveries", {"q": "a\0b"}, "q"),
        ("deliveries", {"replay": "rpl_1"}, "replay"),
        ("deliveries", {"include": "secrets"}, "include"),
        ("deliveries", {"include": "event,"}, "include"),
        ("deliveries", {"order": "size"}, "order"),
        ("events", {"include": "attempts"}, "include"),
        ("events", {"since": "yesterday"}, "since"),
        ("dead-letters", {"state": "lost"}, "state"),
        ("dead-letters", {"cause": "boredom"}, "cause"),
    ],
)
def test_invalid_filter_names_the_parameter(client: APIClient, path: str, query: dict[str, str], field: str) -> None:
    response = client.get(f"/api/v1/{path}/", query)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (400, field)


class TestExpand:
    def expand(self, client: APIClient, path: str, names: str) -> list[dict[str, Any]]:
        response = client.get(f"/api/v1/{path}/", {"include": names, "order": "oldest"})
        assert response.status_code == 200, response.content
        return [row["included"] for row in response.json()["data"]]

    def test_delivery_is_expanded_by_event_and_latest_attempts(
        self, client: APIClient, deliveries: list[Delivery]
    ) -> None:
        for _ in range(expand.MAX_INCLUDED + 1):
            make_attempt(deliveries[0])
        Delivery.objects.filter(pk=deliveries[0].pk).update(attempts=expand.MAX_INCLUDED + 1)
        included = {it["event"]["subject"]: it for it in self.expand(client, "deliveries", "event, attempts")}
        numbers = [it["number"] for it in included["customer/0"]["attempts"]]
        assert numbers == [*range(expand.MAX_INCLUDED + 1, 1, -1)]
        assert included["customer/1"]["attempts"] == []

    def test_event_is_expanded_by_deliveries(
        self, client: APIClient, tenant: Tenant, deliveries: list[Delivery], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(expand, "MAX_INCLUDED", 2)
        for _ in range(3):
            make_delivery(deliveries[0].event, make_endpoint(tenant))
        first, second, *_ = self.expand(client, "events", "deliveries")
        assert len(first["deliveries"]) == 2
        assert [it["id"] for it in second["deliveries"]] == [deliveries[1].public_id]

    def test_dead_letter_is_expanded_by_delivery_event_and_endpoint(
        self, client: APIClient, deliveries: list[Delivery]
    ) -> None:
        make_attempt(deliveries[0])
        Delivery.objects.filter(pk=deliveries[0].pk).update(attempts=1)
        make_dead_letter(deliveries[0])
        [found] = self.expand(client, "dead-letters", "delivery,event,attempts")
        assert found["delivery"]["id"] == deliveries[0].public_id
        assert found["event"]["event_id"] == "Ev_0"
        assert len(found["attempts"]) == 1

    def test_expanded_page_takes_a_fixed_number_of_queries(
        self, client: APIClient, deliveries: list[Delivery], django_assert_max_num_queries: Any
    ) -> None:
        with django_assert_max_num_queries(6):
            self.expand(client, "deliveries", "event,attempts")
        with django_assert_max_num_queries(7):
            self.expand(client, "events", "deliveries")

    def test_list_without_include_is_not_expanded(self, client: APIClient, deliveries: list[Delivery]) -> None:
        assert "included" not in client.get("/api/v1/deliveries/").json()["data"][0]
