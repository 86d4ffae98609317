"""Erasing an event removes its data everywhere and keeps its attributes."""

import orjson
import pytest

from delivery.lifecycle.erase import erase
from delivery.models import Attempt, Delivery, Event
from delivery.publishing.publisher import publish
from subscriptions.models import Endpoint
from tests.delivery.factories import make_attempt, make_delivery, make_event
from tests.delivery.stored_text import stored_text
from tests.factories import make_endpoint, make_subscription

pytestmark = pytest.mark.django_db

SECRET = "4111 1111 1111 1111"


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


def test_erase_removes_the_data_and_keeps_the_attributes(endpoint: Endpoint) -> None:
    event = make_event(endpoint.tenant, type="card.stored", data={"number": SECRET})
    delivery = make_delivery(event, endpoint, state="delivered", body=SECRET.encode())
    make_attempt(delivery, response=f"you sent {SECRET}".encode())
    assert erase(event, "ops")
    assert SECRET not in stored_text()
    event.refresh_from_db()
    document = orjson.loads(bytes(event.body))
    assert (document["type"], document["id"], "data" in document) == ("card.stored", event.event_id, False)
    assert (event.payload_deleted_by, event.payload_deleted_at is not None) == ("ops", True)
    assert Attempt.objects.get().status == 500
    assert Delivery.objects.get().state == "delivered"


def test_erase_cancels_only_the_unfinished_deliveries_of_the_event(endpoint: Endpoint) -> None:
    event = make_event(endpoint.tenant)
    states = ["pending", "sending", "delivered", "dead"]
    rows = {state: make_delivery(event, make_endpoint(endpoint.tenant), state=state) for state in states}
    bystander = make_delivery(make_event(endpoint.tenant), endpoint)
    erase(event, "ops")
    left = dict(Delivery.objects.values_list("id", "state"))
    assert [left[row.id] for row in rows.values()] == ["cancelled", "cancelled", "delivered", "dead"]
    assert left[bystander.id] == "pending"


def test_erase_of_an_erased_event_changes_nothing(endpoint: Endpoint) -> None:
    event = make_event(endpoint.tenant)
    assert erase(event, "one")
    assert not erase(event, "two")
    assert Event.objects.get().payload_deleted_by == "one"


def test_repeat_of_an_erased_event_is_a_duplicate(endpoint: Endpoint) -> None:
    make_subscription(endpoint)
    plain = {"type": "card.stored", "id": "1", "source": "/cards", "time": "2030-01-01T00:00:00Z", "data": SECRET}
    publish(endpoint.tenant, [plain])
    erase(Event.objects.get(), "ops")
    [again] = publish(endpoint.tenant, [plain])
    assert (again.duplicate, again.deliveries) == (True, 1)
    assert SECRET not in stored_text()
