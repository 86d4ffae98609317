"""Test what all pages of the admin have in common."""

from django.contrib import admin
from django.contrib.admin import ModelAdmin


def test_no_row_of_a_page_has_more_than_two_fields() -> None:
    """Three beside each other leave no room for their labels and help texts."""
    pages: list[ModelAdmin[object]] = list(admin.site._registry.values())
    rows = [(page, row) for page in pages for _, options in page.fieldsets or () for row in options["fields"]]
    assert len(rows) > 20
    assert [(str(page), row) for page, row in rows if not isinstance(row, str) and len(row) > 2] == []
