"""The lists over REST: what can be asked, what is shown along, and that questions without sense are refused."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from delivery.models import Delivery
from delivery.reading import expand
from subscriptions.models import Endpoint, Tenant
from tests.delivery.factories import make_attempt, make_dead_letter, make_delivery, make_event, make_replay
from tests.factories import make_client, make_endpoint, make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def client(tenant: Tenant) -> APIClient:
    return make_client(tenant)


@pytest.fixture
def endpoint(tenant: Tenant) -> Endpoint:
    return make_endpoint(tenant)


@pytest.fixture
def deliveries(tenant: Tenant, endpoint: Endpoint) -> list[Delivery]:
    """One that was delivered, one that failed and will be tried again, one that is dead, one that was cancelled."""
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
        ({"type": "order"}, set()),
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
def test_deliveries_are_found_by_what_they_are_about_and_what_became_of_them(
    client: APIClient, deliveries: list[Delivery], endpoint: Endpoint, query: dict[str, str], found: set[int]
) -> None:
    wanted = {deliveries[number].public_id for number in found}
    for more in ({}, {"endpoint": endpoint.public_id}):
        answer = client.get("/api/v1/deliveries/", {**query, **more}).json()
        assert {row["id"] for row in answer["data"]} == wanted
        assert answer["next"] is None


def test_a_text_may_be_the_id_of_a_row(client: APIClient, deliveries: list[Delivery]) -> None:
    for name in (deliveries[2].public_id, deliveries[2].event.public_id):
        answer = client.get("/api/v1/deliveries/", {"q": name}).json()
        assert [row["id"] for row in answer["data"]] == [deliveries[2].public_id]


def test_deliveries_of_a_replay(client: APIClient, tenant: Tenant, deliveries: list[Delivery]) -> None:
    row = make_replay(tenant)
    Delivery.objects.filter(pk=deliveries[1].pk).update(replay=row)
    answer = client.get("/api/v1/deliveries/", {"replay": row.public_id}).json()
    assert [it["id"] for it in answer["data"]] == [deliveries[1].public_id]


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
def test_events_are_found_by_their_attributes(
    client: APIClient, deliveries: list[Delivery], query: dict[str, str], found: set[int]
) -> None:
    answer = client.get("/api/v1/events/", query).json()
    assert {row["id"] for row in answer["data"]} == {deliveries[number].event.public_id for number in found}


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
def test_dead_letters_are_found_by_what_they_are_about(
    client: APIClient, deliveries: list[Delivery], query: dict[str, str], found: set[int]
) -> None:
    letters = {number: make_dead_letter(deliveries[number]) for number in (1, 2)}
    answer = client.get("/api/v1/dead-letters/", query).json()
    assert {row["id"] for row in answer["data"]} == {letters[number].public_id for number in found}


def test_attempts_are_found_by_how_they_ended(client: APIClient, deliveries: list[Delivery]) -> None:
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
def test_a_question_without_sense_is_refused_by_name(
    client: APIClient, path: str, query: dict[str, str], field: str
) -> None:
    answer = client.get(f"/api/v1/{path}/", query)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


class TestIncluding:
    def included(self, client: APIClient, path: str, names: str) -> list[dict[str, Any]]:
        answer = client.get(f"/api/v1/{path}/", {"include": names, "order": "oldest"})
        assert answer.status_code == 200, answer.content
        return [row["included"] for row in answer.json()["data"]]

    def test_a_delivery_with_its_event_and_its_latest_attempts(
        self, client: APIClient, deliveries: list[Delivery]
    ) -> None:
        for _ in range(expand.MAX_INCLUDED + 1):
            make_attempt(deliveries[0])
        Delivery.objects.filter(pk=deliveries[0].pk).update(attempts=expand.MAX_INCLUDED + 1)
        first, second, *_ = self.included(client, "deliveries", "event, attempts")
        assert [it["number"] for it in first["attempts"]] == [*range(2, expand.MAX_INCLUDED + 2)]
        assert first["event"]["subject"] == "customer/0"
        assert second["attempts"] == []

    def test_an_event_with_its_deliveries(
        self, client: APIClient, tenant: Tenant, deliveries: list[Delivery], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(expand, "MAX_INCLUDED", 2)
        for _ in range(3):
            make_delivery(deliveries[0].event, make_endpoint(tenant))
        first, second, *_ = self.included(client, "events", "deliveries")
        assert len(first["deliveries"]) == 2
        assert [it["id"] for it in second["deliveries"]] == [deliveries[1].public_id]

    def test_a_dead_letter_with_all_it_is_about(self, client: APIClient, deliveries: list[Delivery]) -> None:
        make_attempt(deliveries[0])
        Delivery.objects.filter(pk=deliveries[0].pk).update(attempts=1)
        make_dead_letter(deliveries[0])
        [found] = self.included(client, "dead-letters", "delivery,event,attempts")
        assert found["delivery"]["id"] == deliveries[0].public_id
        assert found["event"]["event_id"] == "Ev_0"
        assert len(found["attempts"]) == 1

    def test_a_page_costs_the_same_number_of_queries_whatever_stands_on_it(
        self, client: APIClient, deliveries: list[Delivery], django_assert_max_num_queries: Any
    ) -> None:
        with django_assert_max_num_queries(6):
            self.included(client, "deliveries", "event,attempts")
        with django_assert_max_num_queries(7):
            self.included(client, "events", "deliveries")

    def test_without_it_nothing_more_is_shown(self, client: APIClient, deliveries: list[Delivery]) -> None:
        assert "included" not in client.get("/api/v1/deliveries/").json()["data"][0]
