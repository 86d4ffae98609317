"""Test cursor pages: no gap and no repeat, even while rows are added."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db.models import Q
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from subscriptions.models import ApiKey, Tenant
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


def test_next_links_lead_from_the_newest_row_to_the_oldest() -> None:
    newest_first = [make_tenant().pk for _ in range(5)][::-1]
    first = page(limit=2)
    second = follow(first["next"])
    third = follow(second["next"])
    assert first["data"] + second["data"] + third["data"] == newest_first
    assert first["previous"] is None
    assert third["next"] is None


def test_previous_link_leads_to_the_same_page() -> None:
    for _ in range(5):
        make_tenant()
    first = page(limit=2)
    second = follow(first["next"])
    assert follow(second["previous"])["data"] == first["data"]


def test_cursor_of_another_list_is_refused() -> None:
    for _ in range(2):
        make_tenant()
    cursor = dict(parse_qsl(urlsplit(page(limit=1)["next"]).query))["cursor"]
    with pytest.raises(exceptions.ValidationError) as caught:
        CursorPages().paginate_queryset(ApiKey.objects.all(), Request(APIRequestFactory().get("/", {"cursor": cursor})))
    assert "cursor" in caught.value.get_full_details()


def test_added_row_shifts_no_page() -> None:
    oldest = [make_tenant().pk for _ in range(4)]
    first = page(limit=2)
    make_tenant()
    assert first["data"] + follow(first["next"])["data"] == oldest[::-1]


def test_empty_table_is_one_empty_page() -> None:
    assert page() == {"data": [], "next": None, "previous": None}


def test_page_has_fifty_rows_without_a_limit() -> None:
    for _ in range(51):
        make_tenant()
    assert len(page()["data"]) == 50
    assert len(page(limit=250)["data"]) == 51


@pytest.mark.parametrize("limit", ["0", "-1", "251", "x", "", "1.5", "٣", "9" * 5000])
def test_invalid_limit_is_an_error_that_names_it(limit: str) -> None:
    with pytest.raises(exceptions.ValidationError) as caught:
        page(limit=limit)
    assert "limit" in caught.value.get_full_details()


@pytest.mark.parametrize("cursor", ["x", "cD0xMjM=", "bz0xJnA9", "\u00e9", "cj14"])
def test_invalid_cursor_is_an_error_that_names_it(cursor: str) -> None:
    with pytest.raises(exceptions.ValidationError) as caught:
        page(cursor=cursor)
    assert "cursor" in caught.value.get_full_details()


class Named:
    """A view with a filter by name that no index serves."""

    def __init__(self, name: str) -> None:
        self.unindexed = Q(name=name)


@pytest.fixture
def short_walks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_WALK", 3)


def walk(name: str, **query: Any) -> list[dict[str, Any]]:
    """Return every page of a search, in the order of the links."""
    found = [page(Named(name), **query)]
    while found[-1]["next"]:
        found.append(follow(found[-1]["next"], Named(name)))
    return found


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.usefixtures("short_walks")
def test_unindexed_search_limits_the_rows_read_per_page_and_finds_all(order: str) -> None:
    tenants = [make_tenant(name=name) for name in "axxxxxaxaa"]
    expected = [it.pk for it in tenants if it.name == "a"]
    found = walk("a", order=order, limit=2)
    assert [key for it in found for key in it["data"]] == (expected if order == "oldest" else expected[::-1])
    assert len(found) >= len(tenants) / 3


@pytest.mark.usefixtures("short_walks")
def test_empty_page_of_an_unindexed_search_links_both_ways() -> None:
    expected = make_tenant(name="a").pk
    for _ in range(5):
        make_tenant(name="x")
    first, second = walk("a")
    assert (first["data"], second["data"], second["next"]) == ([], [expected], None)
    back = follow(second["previous"], Named("a"))
    assert back["data"] == []
    assert follow(back["next"], Named("a"))["data"] == [expected]


def test_order_oldest_begins_with_the_oldest_row() -> None:
    oldest_first = [make_tenant().pk for _ in range(5)]
    first = page(order="oldest", limit=3)
    second = follow(first["next"])
    assert first["data"] + second["data"] == oldest_first
    assert follow(second["previous"])["data"] == first["data"]


@pytest.mark.parametrize("order", ["", "name", "NEWEST"])
def test_invalid_order_is_an_error_that_names_it(order: str) -> None:
    with pytest.raises(exceptions.ValidationError) as caught:
        page(order=order)
    assert "order" in caught.value.get_full_details()
