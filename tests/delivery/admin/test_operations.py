"""Retry, set aside and cancel deliveries in the admin: a confirmation page, a POST that acts and logs, a permission."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from delivery.admin.operations import operation_path
from delivery.models import DeadLetter, Delivery, Replay
from subscriptions.models import Endpoint
from tests.delivery.admin.rows import HOSTILE, operator
from tests.delivery.factories import make_delivery, make_event
from tests.factories import make_endpoint

pytestmark = pytest.mark.django_db

LIST = "admin:delivery_delivery_changelist"
ONE = "admin:delivery_delivery_change"
ACTIONS = [("cancel", "cancel"), ("move_to_dead_letters", "set-aside"), ("retry_now", "retry")]
NAMES = ["cancel", "set-aside", "retry"]
DONE = {"cancel": "Cancelled.", "set-aside": "Moved to dead letters.", "retry": "Queued."}


@pytest.fixture
def endpoint() -> Endpoint:
    return make_endpoint()


def make_pending(endpoint: Endpoint, **changes: Any) -> Delivery:
    """Make a delivery whose next attempt is in an hour, unless changed."""
    later = timezone.now() + timedelta(hours=1)
    return make_delivery(make_event(endpoint.tenant), endpoint, **{"next_attempt_at": later} | changes)


def path(name: str, *deliveries: Delivery) -> str:
    return operation_path(name, [delivery.public_id for delivery in deliveries])


def state_of(delivery: Delivery) -> tuple[str, bool]:
    """Return the state, and whether it is due."""
    delivery.refresh_from_db()
    return delivery.state, delivery.next_attempt_at is not None and delivery.next_attempt_at <= timezone.now()


@pytest.mark.parametrize(("action", "name"), ACTIONS)
def test_action_of_the_list_leads_to_the_page_that_asks(endpoint: Endpoint, action: str, name: str) -> None:
    first, second = make_pending(endpoint), make_pending(endpoint)
    client = operator("change_delivery")
    chosen = {"action": action, "_selected_action": [first.pk, second.pk]}
    response = client.get(client.post(reverse(LIST), chosen)["Location"])
    assert (response.context["operation"].name, response.context["total"]) == (name, 2)
    assert first.public_id in response.content.decode()
    assert "2 deliveries" in response.context["title"]
    assert state_of(first) == state_of(second) == ("pending", False)


@pytest.mark.parametrize(
    ("name", "found"), [("cancel", ("cancelled", False)), ("set-aside", ("dead", False)), ("retry", ("pending", True))]
)
def test_confirmed_operation_is_run_and_logged(endpoint: Endpoint, name: str, found: tuple[str, bool]) -> None:
    chosen, other = make_pending(endpoint), make_pending(endpoint)
    response = operator("change_delivery").post(path(name, chosen))
    assert response["Location"] == reverse(ONE, args=[chosen.pk])
    assert state_of(chosen) == found
    assert state_of(other) == ("pending", False)
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(chosen.pk), DONE[name])


def test_operation_records_the_operator(endpoint: Endpoint) -> None:
    cancelled, set_aside = make_pending(endpoint), make_pending(endpoint)
    client = operator("change_delivery")
    client.post(path("cancel", cancelled))
    client.post(path("set-aside", set_aside))
    cancelled.refresh_from_db()
    letter = DeadLetter.objects.get(delivery=set_aside)
    assert cancelled.cancelled_by == "admin:ops"
    assert (letter.cause, letter.reason) == ("set_aside", "Set aside by admin:ops.")
    assert "by admin:ops" in client.get(reverse(ONE, args=[cancelled.pk])).content.decode()


@pytest.mark.parametrize("name", NAMES)
def test_finished_delivery_is_not_changed_and_counted_apart(endpoint: Endpoint, name: str) -> None:
    delivered, waiting = make_pending(endpoint, state="delivered"), make_pending(endpoint)
    client = operator("change_delivery")
    shown = client.get(path(name, delivered, waiting)).context
    assert (shown["total"], shown["unchanged"]) == (1, 1)
    response = client.post(path(name, delivered, waiting), follow=True)
    assert [str(it) for it in response.context["messages"]] == [
        DONE[name].replace(".", ": 1 delivery"),
        "Not changed: 1 delivery. Finished already.",
    ]
    assert state_of(delivered) == ("delivered", False)
    assert [entry.object_id for entry in LogEntry.objects.all()] == [str(waiting.pk)]


def test_second_cancel_changes_nothing_and_is_not_logged(endpoint: Endpoint) -> None:
    delivery = make_pending(endpoint)
    client = operator("change_delivery")
    client.post(path("cancel", delivery))
    client.post(path("cancel", delivery))
    assert state_of(delivery) == ("cancelled", False)
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize(("state", "offered"), [("pending", True), ("sending", True), ("delivered", False)])
def test_delivery_page_offers_operations_while_unfinished(endpoint: Endpoint, state: str, offered: bool) -> None:
    delivery = make_pending(endpoint, state=state)
    response = operator("change_delivery").get(reverse(ONE, args=[delivery.pk]))
    for name in NAMES:
        assert (f"what={name}&amp;ids={delivery.public_id}" in response.content.decode()) is offered


@pytest.mark.parametrize(("state", "offered"), [("pending", False), ("delivered", True), ("cancelled", True)])
def test_delivery_page_offers_to_resend_when_finished(endpoint: Endpoint, state: str, offered: bool) -> None:
    delivery = make_pending(endpoint, state=state)
    response = operator("change_delivery").get(reverse(ONE, args=[delivery.pk]))
    assert (f"what=resend&amp;ids={delivery.public_id}" in response.content.decode()) is offered


def test_confirmed_resend_makes_finished_deliveries_due_and_counts_others_apart(endpoint: Endpoint) -> None:
    delivered, waiting = make_pending(endpoint, state="delivered"), make_pending(endpoint)
    client = operator("change_delivery")
    response = client.post(path("resend", delivered), follow=True)
    assert [str(it) for it in response.context["messages"]] == ["Queued again: 1 delivery"]
    assert state_of(delivered) == ("pending", True)
    assert Replay.objects.get().requested_by == "admin:ops"
    shown = client.get(path("resend", delivered, waiting)).context
    assert (shown["total"], shown["unchanged"]) == (0, 2)


def test_resend_to_a_disabled_endpoint_changes_nothing_and_says_so(endpoint: Endpoint) -> None:
    delivered = make_pending(endpoint, state="delivered", next_attempt_at=None)
    Endpoint.objects.update(state="disabled")
    response = operator("change_delivery").post(path("resend", delivered), follow=True)
    (message,) = map(str, response.context["messages"])
    assert "its endpoint is disabled" in message
    assert state_of(delivered) == ("delivered", False)


def test_operation_without_permission_is_forbidden(endpoint: Endpoint) -> None:
    delivery = make_pending(endpoint)
    client = operator()
    for name in NAMES:
        assert client.get(path(name, delivery)).status_code == client.post(path(name, delivery)).status_code == 403
    for action, _ in ACTIONS:
        client.post(reverse(LIST), {"action": action, "_selected_action": [delivery.pk]})
    assert "what=cancel" not in client.get(reverse(ONE, args=[delivery.pk])).content.decode()
    assert state_of(delivery) == ("pending", False)


def test_operation_without_login_redirects_to_login(endpoint: Endpoint) -> None:
    delivery = make_pending(endpoint)
    assert "login" in Client().post(path("cancel", delivery))["Location"]
    assert state_of(delivery) == ("pending", False)


def test_permission_does_not_allow_editing_a_delivery(endpoint: Endpoint) -> None:
    delivery = make_pending(endpoint)
    assert operator("change_delivery").post(reverse(ONE, args=[delivery.pk]), {"state": "dead"}).status_code == 403
    assert state_of(delivery) == ("pending", False)


@pytest.mark.parametrize("query", ["", "what=cancel", "what=delete&ids={id}", "what=cancel&ids=ep_1", "ids={id}"])
def test_invalid_query_redirects_to_the_list_and_changes_nothing(endpoint: Endpoint, query: str) -> None:
    delivery = make_pending(endpoint)
    address = f"{reverse('admin:delivery_delivery_operation')}?{query.format(id=delivery.public_id)}"
    client = operator("change_delivery")
    for response in (client.get(address, follow=True), client.post(address, follow=True)):
        assert response.redirect_chain == [(reverse(LIST), 302)]
        assert len(list(response.context["messages"])) == 1
    assert state_of(delivery) == ("pending", False)


def test_more_than_a_page_of_deliveries_is_rejected(endpoint: Endpoint) -> None:
    delivery = make_pending(endpoint)
    response = operator("change_delivery").post(path("cancel", *[delivery] * 51))
    assert response["Location"] == reverse(LIST)
    assert state_of(delivery) == ("pending", False)


def test_page_escapes_data_of_others(endpoint: Endpoint) -> None:
    delivery = make_delivery(make_event(endpoint.tenant, type=HOSTILE), endpoint)
    shown = operator("change_delivery").get(path("cancel", delivery)).content.decode()
    assert HOSTILE not in shown
    assert "&lt;script&gt;alert(1)" in shown
