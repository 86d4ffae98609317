"""Pages follow one another without a gap or a repeat, whatever is added meanwhile."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db.models import Q
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from subscriptions.models import Tenant
from tests.factories import make_tenant
from webhooks.kit.rest import pages
from webhooks.kit.rest.pages import CursorPages

pytestmark = pytest.mark.django_db


def page(view: Any = None, **query: Any) -> dict[str, Any]:
    paginator = CursorPages()
    request = Request(APIRequestFactory().get("/api/things/", query))
    rows = paginator.paginate_queryset(Tenant.objects.all(), request, view)
    return dict(paginator.get_paginated_response([row.pk for row in rows]).data)


def follow(link: str, view: Any = None) -> dict[str, Any]:
    return page(view, **dict(parse_qsl(urlsplit(link).query)))


def test_pages_go_from_new_to_old_and_end() -> None:
    newest_first = [make_tenant().pk for _ in range(5)][::-1]
    first = page(limit=2)
    second = follow(first["next"])
    third = follow(second["next"])
    assert first["data"] + second["data"] + third["data"] == newest_first
    assert first["previous"] is None
    assert third["next"] is None


def test_the_way_back_leads_over_the_same_pages() -> None:
    for _ in range(5):
        make_tenant()
    first = page(limit=2)
    second = follow(first["next"])
    assert follow(second["previous"])["data"] == first["data"]


def test_what_is_added_meanwhile_moves_no_page() -> None:
    oldest = [make_tenant().pk for _ in range(4)]
    first = page(limit=2)
    make_tenant()
    assert first["data"] + follow(first["next"])["data"] == oldest[::-1]


def test_no_rows_are_one_empty_page() -> None:
    assert page() == {"data": [], "next": None, "previous": None}


def test_a_page_has_fifty_unless_asked_otherwise() -> None:
    for _ in range(51):
        make_tenant()
    assert len(page()["data"]) == 50
    assert len(page(limit=250)["data"]) == 51


@pytest.mark.parametrize("limit", ["0", "-1", "251", "x", "", "1.5", "٣", "9" * 5000])
def test_a_limit_that_makes_no_sense_is_named(limit: str) -> None:
    with pytest.raises(exceptions.ValidationError) as caught:
        page(limit=limit)
    assert "limit" in caught.value.get_full_details()


@pytest.mark.parametrize("cursor", ["x", "cD0xMjM=", "bz0xJnA9", "\u00e9", "cj14"])
def test_a_cursor_that_we_did_not_make_leads_nowhere(cursor: str) -> None:
    with pytest.raises(exceptions.NotFound):
        page(cursor=cursor)


class Named:
    """A view that asks for rows by a name no index serves."""

    def __init__(self, name: str) -> None:
        self.unindexed = Q(name=name)


@pytest.fixture
def short_walks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_WALK", 3)


def walk(name: str, **query: Any) -> list[dict[str, Any]]:
    """Every page of a search, in the order the links lead."""
    found = [page(Named(name), **query)]
    while found[-1]["next"]:
        found.append(follow(found[-1]["next"], Named(name)))
    return found


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.usefixtures("short_walks")
def test_a_search_looks_at_so_many_rows_a_page_and_finds_all_there_is(order: str) -> None:
    tenants = [make_tenant(name=name) for name in "axxxxxaxaa"]
    wanted = [it.pk for it in tenants if it.name == "a"]
    found = walk("a", order=order, limit=2)
    assert [key for it in found for key in it["data"]] == (wanted if order == "oldest" else wanted[::-1])
    assert len(found) >= len(tenants) / 3


@pytest.mark.usefixtures("short_walks")
def test_a_search_that_found_nothing_yet_leads_on_and_back() -> None:
    wanted = make_tenant(name="a").pk
    for _ in range(5):
        make_tenant(name="x")
    first, second = walk("a")
    assert (first["data"], second["data"], second["next"]) == ([], [wanted], None)
    back = follow(second["previous"], Named("a"))
    assert back["data"] == []
    assert follow(back["next"], Named("a"))["data"] == [wanted]


def test_the_oldest_come_first_if_asked_for() -> None:
    oldest_first = [make_tenant().pk for _ in range(5)]
    first = page(order="oldest", limit=3)
    second = follow(first["next"])
    assert first["data"] + second["data"] == oldest_first
    assert follow(second["previous"])["data"] == first["data"]


@pytest.mark.parametrize("order", ["", "name", "NEWEST"])
def test_an_order_that_makes_no_sense_is_named(order: str) -> None:
    with pytest.raises(exceptions.ValidationError) as caught:
        page(order=order)
    assert "order" in caught.value.get_full_details()
