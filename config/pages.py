"""Lists come in pages, newest first; the way to the next page is a cursor, not a number.

`limit` (50, at most 250) is the size of a page, `next` and `previous` are addresses to follow as they are.
"""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Model, QuerySet
from rest_framework import exceptions
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response


class CursorPages(CursorPagination):
    """Newest first, by id. A UUIDv7 grows with time, so rows that arrive while somebody reads move no page."""

    ordering = "-pk"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 250
    LIMIT: ClassVar[str] = f"A whole number from 1 to {max_page_size}."

    def get_ordering(self, request: Request, queryset: QuerySet[Model], view: Any) -> tuple[str, ...]:
        return (self.ordering,)

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("limit", str(self.page_size))
        if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= self.max_page_size):
            raise exceptions.ValidationError({"limit": [self.LIMIT]})
        return int(text)

    def decode_cursor(self, request: Request) -> Cursor | None:
        cursor = super().decode_cursor(request)
        try:
            if cursor and cursor.position is not None:
                UUID(cursor.position)
        except ValueError:
            raise exceptions.NotFound(self.invalid_cursor_message) from None
        return cursor

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"data": data, "next": self.get_next_link(), "previous": self.get_previous_link()})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["data", "next", "previous"],
            "properties": {"data": schema, "next": link, "previous": link},
        }
