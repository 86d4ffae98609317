"""Setting an unfinished delivery aside as a dead letter."""

import pytest

from delivery.lifecycle.set_aside import set_aside
from delivery.models import DeadLetter
from subscriptions.models import Endpoint
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


@pytest.mark.parametrize("state", ["pending", "sending"])
def test_set_aside_opens_a_dead_letter_naming_who_requested_it(endpoint: Endpoint, state: str) -> None:
    delivery = make_delivery(make_event(endpoint.tenant), endpoint, state=state)
    assert set_aside(delivery, "ops")
    assert not set_aside(delivery, "ops")
    letter = DeadLetter.objects.get()
    assert (letter.cause, letter.reason, letter.closed_at) == ("set_aside", "Set aside by ops.", None)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.token) == ("dead", None)


@pytest.mark.parametrize("state", ["delivered", "cancelled", "dead"])
def test_set_aside_of_a_finished_delivery_changes_nothing(endpoint: Endpoint, state: str) -> None:
    assert not set_aside(make_delivery(make_event(endpoint.tenant), endpoint, state=state), "ops")
    assert not DeadLetter.objects.exists()
