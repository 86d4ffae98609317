"""Search and count in the admin's lists."""

import pytest
from django.contrib.admin import site
from django.test import RequestFactory

from tests.factories_receiver import make_source
from webhooks.kit.admin.lists import MAX_COUNTED, AdminList, BoundedPaginator, find_by_id_or_uid
from webhooks.models import Source

pytestmark = pytest.mark.django_db


def search(term: str) -> list[Source]:
    page = AdminList(Source, site)
    found, has_duplicates = page.get_search_results(RequestFactory().get("/"), Source.objects.order_by("id"), term)
    assert not has_duplicates
    return list(found)


def test_search_finds_row_by_id_uuid_or_uid() -> None:
    row, _other = make_source(uid="shop"), make_source(uid="bank")
    for term in (row.public_id, str(row.pk), "shop", " shop\0 "):
        assert search(term) == [row], term


@pytest.mark.parametrize("term", ["src_nonsense", "0190a7b0-0000-7000-8000-000000000000", "other", "_", "%"])
def test_search_for_unknown_term_finds_nothing(term: str) -> None:
    make_source(uid="shop")
    assert search(term) == []


def test_empty_search_finds_all_rows() -> None:
    assert len({make_source().pk, make_source().pk} & {row.pk for row in search(" ")}) == 2


def test_reference_is_an_id_or_a_uid() -> None:
    row = make_source(uid="shop")
    for reference in (row.public_id, "shop"):
        assert find_by_id_or_uid(Source.objects.all(), reference).get() == row


def test_paginator_counts_up_to_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_COUNTED > 2
    monkeypatch.setattr("webhooks.kit.admin.lists.MAX_COUNTED", 2)
    for _ in range(3):
        make_source()
    assert BoundedPaginator(Source.objects.order_by("id"), 1).count == 2
