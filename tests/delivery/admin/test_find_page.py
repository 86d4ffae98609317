"""The search box of every page of the admin, and the page of results."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from delivery.models import DeadLetter, Delivery, Event
from delivery.publishing.publisher import publish
from tests.delivery.admin.rows import make_letter, operator
from tests.delivery.factories import make_dead_letter, make_delivery, make_event
from tests.factories import make_endpoint, make_event_type, make_tenant

pytestmark = pytest.mark.django_db
PAGE = "admin:delivery_event_find"


def test_box_is_on_every_page() -> None:
    letter = make_letter()
    client = operator()
    paths = [reverse("admin:index"), reverse("admin:delivery_event_changelist")]
    paths.append(reverse("admin:delivery_deadletter_change", args=[letter.pk]))
    for path in paths:
        assert f'action="{reverse(PAGE)}"' in client.get(path).content.decode()


def test_one_row_is_opened_at_once() -> None:
    letter = make_letter()
    response = operator().get(reverse(PAGE), {"q": letter.public_id})
    assert response["Location"] == reverse("admin:delivery_deadletter_change", args=[letter.pk])


def test_attempt_is_opened_by_its_id() -> None:
    letter = make_letter()
    attempt = letter.delivery.history.get()
    response = operator().get(reverse(PAGE), {"q": attempt.public_id})
    assert response["Location"] == reverse("admin:delivery_delivery_attempt", args=[letter.delivery_id, attempt.number])


def test_rows_of_several_kinds_are_listed_with_their_tenants() -> None:
    tenant = make_tenant(name="Acme")
    first, second = make_event(tenant, subject="order-7"), make_event(tenant, subject="order-7")
    page = operator().get(reverse(PAGE), {"q": "order-7"}).content.decode()
    assert all(text in page for text in (first.public_id, second.public_id, "Acme"))


def test_rows_that_the_user_may_not_view_are_left_out() -> None:
    endpoint = make_endpoint(url="https://shop.example/hook")
    response = operator().get(reverse(PAGE), {"q": endpoint.public_id})
    assert response.status_code == 200
    assert endpoint.public_id not in response.content.decode().replace(f'value="{endpoint.public_id}"', "")


def test_unknown_text_says_what_can_be_found() -> None:
    page = operator().get(reverse(PAGE), {"q": "<nothing>"}).content.decode()
    assert "Nothing has this ID" in page
    assert "<nothing>" not in page


@pytest.fixture
def by_value() -> str:
    """Return an indexed value of an event that has a dead letter."""
    tenant = make_tenant()
    make_event_type(tenant, name="order.paid", indexed_paths=["data.order"])
    publish(tenant, [{"type": "order.paid", "data": {"order": "A-4711"}}])
    make_dead_letter(make_delivery(Event.objects.get(), make_endpoint(tenant), state="dead"))
    return "A-4711"


@pytest.mark.parametrize("sees", [True, False])
def test_search_by_a_value_of_the_payload_finds_nothing_for_those_who_may_not_see_it(by_value: str, sees: bool) -> None:
    client = operator()
    if not sees:
        User.objects.get().user_permissions.remove(Permission.objects.get(name__contains="payloads of events"))
    event = Event.objects.get()
    assert (client.get(reverse(PAGE), {"q": by_value}).status_code == 302) is sees
    for model, row in (
        ("event", event),
        ("delivery", event.deliveries.get()),
        ("deadletter", DeadLetter.objects.get()),
    ):
        page = client.get(reverse(f"admin:delivery_{model}_changelist"), {"q": by_value})
        assert (row in page.context["cl"].result_list) is sees, model


@pytest.mark.parametrize("sees", [True, False])
def test_picker_of_events_finds_no_value_for_those_who_may_not_see_it(by_value: str, sees: bool) -> None:
    client = operator()
    if not sees:
        User.objects.get().user_permissions.remove(Permission.objects.get(name__contains="payloads of events"))
    asked = {"app_label": "delivery", "model_name": "delivery", "field_name": "event", "term": by_value}
    found = client.get(reverse("admin:autocomplete"), asked).json()["results"]
    assert (len(found) == 1) is sees


@pytest.mark.parametrize("condition", ["body__contains", "original__gt", "event_id__startswith", "tenant__name"])
def test_list_takes_no_condition_on_a_column_that_is_none_of_its_filters(condition: str) -> None:
    assert operator().get(reverse("admin:delivery_event_changelist"), {condition: "A"}).status_code == 400


def test_page_without_login_redirects_to_it() -> None:
    assert Client().get(reverse(PAGE)).status_code == 302


@pytest.mark.parametrize("table", ["delivery", "deadletter"])
def test_lists_are_searched_by_type_and_by_part_of_the_endpoint(table: str) -> None:
    letter = make_letter()
    client = operator()
    page = reverse(f"admin:delivery_{table}_change", args=[letter.pk if table == "deadletter" else letter.delivery_id])
    for term, is_found in ((letter.endpoint.address[8:20], True), (letter.delivery.event.type, True), ("nope", False)):
        shown = client.get(reverse(f"admin:delivery_{table}_changelist"), {"q": term}).content.decode()
        assert (page in shown) is is_found, term


def test_list_is_sorted_by_time_both_ways() -> None:
    letters = [make_letter(), make_letter()]
    client = operator("change_delivery")
    keys = [str(it.delivery_id) for it in letters]
    for order, expected in (("8", keys), ("-8", keys[::-1])):
        shown = client.get(reverse("admin:delivery_delivery_changelist"), {"o": order}).context["cl"].result_list
        assert [str(row.pk) for row in shown] == expected
    assert Delivery.objects.count() == 2
