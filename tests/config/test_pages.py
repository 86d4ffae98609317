"""Pages follow one another without a gap or a repeat, whatever is added meanwhile."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from config.pages import CursorPages
from subscriptions.models import Tenant
from tests.factories import make_tenant

pytestmark = pytest.mark.django_db


def page(**query: Any) -> dict[str, Any]:
    pages = CursorPages()
    rows = pages.paginate_queryset(Tenant.objects.all(), Request(APIRequestFactory().get("/api/things/", query)))
    return dict(pages.get_paginated_response([row.pk for row in rows]).data)


def follow(link: str) -> dict[str, Any]:
    return page(**dict(parse_qsl(urlsplit(link).query)))


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
