"""Steering deliveries in the admin: a page asks, its POST acts, it is written down, and only for who may."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from delivery.admin.steering import path_to
from delivery.models import DeadLetter, Delivery
from subscriptions.models import Endpoint
from tests.delivery.admin.rows import HOSTILE, operator
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db

LIST = "admin:delivery_delivery_changelist"
ONE = "admin:delivery_delivery_change"
ACTIONS = [("cancel", "cancel"), ("set_aside", "set-aside"), ("send_now", "retry")]
STEPS = ["cancel", "set-aside", "retry"]
DONE = {"cancel": "Cancelled.", "set-aside": "Moved to dead letters.", "retry": "Due now."}


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


def owed(endpoint: Endpoint, **changes: Any) -> Delivery:
    """Next tried in an hour, unless it says otherwise."""
    later = timezone.now() + timedelta(hours=1)
    return make_delivery(make_event(endpoint.tenant), endpoint, **{"next_attempt_at": later} | changes)


def path(step: str, *deliveries: Delivery) -> str:
    return path_to(step, [delivery.public_id for delivery in deliveries])


def standing(delivery: Delivery) -> tuple[str, bool]:
    """Its state, and whether it is due."""
    delivery.refresh_from_db()
    return delivery.state, delivery.next_attempt_at is not None and delivery.next_attempt_at <= timezone.now()


@pytest.mark.parametrize(("action", "step"), ACTIONS)
def test_an_action_of_the_list_leads_to_the_page_that_asks(endpoint: Endpoint, action: str, step: str) -> None:
    first, second = owed(endpoint), owed(endpoint)
    client = operator("change_delivery")
    chosen = {"action": action, "_selected_action": [first.pk, second.pk]}
    answer = client.get(client.post(reverse(LIST), chosen)["Location"])
    assert (answer.context["step"].name, answer.context["total"]) == (step, 2)
    assert first.public_id in answer.content.decode()
    assert "2 deliveries" in answer.context["title"]
    assert standing(first) == standing(second) == ("pending", False)


@pytest.mark.parametrize(
    ("step", "found"), [("cancel", ("cancelled", False)), ("set-aside", ("dead", False)), ("retry", ("pending", True))]
)
def test_what_was_confirmed_is_done_and_written_down(endpoint: Endpoint, step: str, found: tuple[str, bool]) -> None:
    chosen, other = owed(endpoint), owed(endpoint)
    answer = operator("change_delivery").post(path(step, chosen))
    assert answer["Location"] == reverse(ONE, args=[chosen.pk])
    assert standing(chosen) == found
    assert standing(other) == ("pending", False)
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(chosen.pk), DONE[step])


def test_who_did_it_is_known(endpoint: Endpoint) -> None:
    cancelled, parked = owed(endpoint), owed(endpoint)
    client = operator("change_delivery")
    client.post(path("cancel", cancelled))
    client.post(path("set-aside", parked))
    cancelled.refresh_from_db()
    letter = DeadLetter.objects.get(delivery=parked)
    assert cancelled.cancelled_by == "admin:ops"
    assert (letter.cause, letter.reason) == ("set_aside", "Set aside by admin:ops.")
    assert "by admin:ops" in client.get(reverse(ONE, args=[cancelled.pk])).content.decode()


@pytest.mark.parametrize("step", STEPS)
def test_what_has_ended_stays_as_it_is_and_is_counted_apart(endpoint: Endpoint, step: str) -> None:
    delivered, waiting = owed(endpoint, state="delivered"), owed(endpoint)
    client = operator("change_delivery")
    shown = client.get(path(step, delivered, waiting)).context
    assert (shown["total"], shown["ended"]) == (1, 1)
    answer = client.post(path(step, delivered, waiting), follow=True)
    assert [str(it) for it in answer.context["messages"]] == [
        DONE[step].replace(".", ": 1 delivery."),
        "1 delivery had ended before, and stayed as it was.",
    ]
    assert standing(delivered) == ("delivered", False)
    assert [entry.object_id for entry in LogEntry.objects.all()] == [str(waiting.pk)]


def test_a_second_time_changes_nothing_and_is_not_written_down(endpoint: Endpoint) -> None:
    delivery = owed(endpoint)
    client = operator("change_delivery")
    client.post(path("cancel", delivery))
    client.post(path("cancel", delivery))
    assert standing(delivery) == ("cancelled", False)
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize(("state", "offered"), [("pending", True), ("sending", True), ("delivered", False)])
def test_a_delivery_offers_it_on_its_own_page_while_it_has_not_ended(
    endpoint: Endpoint, state: str, offered: bool
) -> None:
    delivery = owed(endpoint, state=state)
    answer = operator("change_delivery").get(reverse(ONE, args=[delivery.pk]))
    for step in STEPS:
        assert (f"what={step}&amp;ids={delivery.public_id}" in answer.content.decode()) is offered


def test_only_who_may_change_deliveries_may_steer_them(endpoint: Endpoint) -> None:
    delivery = owed(endpoint)
    client = operator()
    for step in STEPS:
        assert client.get(path(step, delivery)).status_code == client.post(path(step, delivery)).status_code == 403
    for action, _ in ACTIONS:
        client.post(reverse(LIST), {"action": action, "_selected_action": [delivery.pk]})
    assert "what=cancel" not in client.get(reverse(ONE, args=[delivery.pk])).content.decode()
    assert standing(delivery) == ("pending", False)


def test_a_stranger_is_sent_to_the_login(endpoint: Endpoint) -> None:
    delivery = owed(endpoint)
    assert "login" in Client().post(path("cancel", delivery))["Location"]
    assert standing(delivery) == ("pending", False)


def test_the_permission_lets_nobody_edit_a_delivery(endpoint: Endpoint) -> None:
    delivery = owed(endpoint)
    assert operator("change_delivery").post(reverse(ONE, args=[delivery.pk]), {"state": "dead"}).status_code == 403
    assert standing(delivery) == ("pending", False)


@pytest.mark.parametrize("query", ["", "what=cancel", "what=burn&ids={id}", "what=cancel&ids=ep_1", "ids={id}"])
def test_what_makes_no_sense_is_said_and_does_nothing(endpoint: Endpoint, query: str) -> None:
    delivery = owed(endpoint)
    address = f"{reverse('admin:delivery_delivery_steer')}?{query.format(id=delivery.public_id)}"
    client = operator("change_delivery")
    for answer in (client.get(address, follow=True), client.post(address, follow=True)):
        assert answer.redirect_chain == [(reverse(LIST), 302)]
        assert len(list(answer.context["messages"])) == 1
    assert standing(delivery) == ("pending", False)


def test_more_than_a_page_of_them_is_refused(endpoint: Endpoint) -> None:
    delivery = owed(endpoint)
    answer = operator("change_delivery").post(path("cancel", *[delivery] * 51))
    assert answer["Location"] == reverse(LIST)
    assert standing(delivery) == ("pending", False)


def test_what_came_from_outside_is_escaped_on_the_page(endpoint: Endpoint) -> None:
    delivery = make_delivery(make_event(endpoint.tenant, type=HOSTILE), endpoint)
    shown = operator("change_delivery").get(path("cancel", delivery)).content.decode()
    assert HOSTILE not in shown
    assert "&lt;script&gt;alert(1)" in shown
