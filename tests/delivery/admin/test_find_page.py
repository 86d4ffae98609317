"""The search box of every page of the admin, and the page of results."""

import pytest
from django.test import Client
from django.urls import reverse

from delivery.models import Delivery
from tests.delivery.admin.rows import make_letter, operator
from tests.delivery.factories import make_event
from tests.factories import make_endpoint, make_tenant

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
