"""Test the filters of lists in a project without django-unfold; its own are tested by the pages."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.models import User
from django.test import RequestFactory

from delivery.admin.time_filter import TimeRangeFilter
from tests.factories_receiver import make_receipt
from webhooks.kit.admin.filters import LinkedRowFilter, PlainTimeFields
from webhooks.models import Receipt

pytestmark = pytest.mark.django_db


class TimeFilter(PlainTimeFields):
    queryset = TimeRangeFilter.queryset
    read = staticmethod(TimeRangeFilter.read)
    is_readable = TimeRangeFilter.is_readable


class PlainReceipts(admin.ModelAdmin):  # type: ignore[type-arg]
    list_filter = (("source", LinkedRowFilter), ("received_at", TimeFilter))


def listed(**query: Any) -> ChangeList:
    """Return the list of receipts as a superuser sees it."""
    request = RequestFactory().get("/", query)
    request.user = User(is_superuser=True, is_active=True)
    return PlainReceipts(Receipt, admin.AdminSite()).get_changelist_instance(request)


def test_linked_row_filters_the_list_and_can_be_removed() -> None:
    receipt, other = make_receipt(), make_receipt()
    assert set(listed().result_list) == {receipt, other}
    changelist = listed(source__id__exact=str(receipt.source_id), q="")
    assert list(changelist.result_list) == [receipt]
    every, selected = changelist.filter_specs[0].choices(changelist)
    assert (every["display"], "source__id" in every["query_string"]) == ("All", False)
    assert (selected["display"], selected["selected"]) == (str(receipt.source), True)


def test_linked_row_without_a_selection_shows_nothing() -> None:
    assert not any(isinstance(it, LinkedRowFilter) for it in listed().filter_specs)


@pytest.mark.parametrize("reference", ["no-id", "\0"])
def test_linked_row_that_is_no_id_is_refused_as_django_does(reference: str) -> None:
    with pytest.raises(IncorrectLookupParameters):
        listed(source__id__exact=reference)


def test_linked_row_that_does_not_exist_lists_nothing() -> None:
    make_receipt()
    changelist = listed(source__id__exact="018f0000-0000-7000-8000-000000000000")
    assert list(changelist.result_list) == []
    assert [it["display"] for it in changelist.filter_specs[0].choices(changelist)] == ["All", "Unknown"]


def test_times_filter_the_list_and_keep_its_other_parameters() -> None:
    receipt = make_receipt()
    day = receipt.received_at.date().isoformat()
    assert list(listed(received_at_from_0=day).result_list) == [receipt]
    source = str(receipt.source_id)
    changelist = listed(received_at_from_0="2040-01-31", received_at_from_1="10:30", source__id__exact=source)
    assert list(changelist.result_list) == []
    (form,) = changelist.filter_specs[1].choices(changelist)
    assert [value for _, _, _, value in form["fields"]] == ["2040-01-31", "10:30", "", ""]
    assert form["others"] == [("source__id__exact", source)]
