"""Lists come in pages, by id; the way to the next page is a cursor, not a number.

`limit` (50, at most 250) is the size of a page, `order` is `newest` first unless `oldest` is asked for, `next` and
`previous` are addresses to follow as they are. An id grows with time and never changes, so rows that arrive while
somebody reads move no page.

A view may have a `narrowing`: a condition no index serves. Then WALK rows at most are looked at for a page. One that
found less than it may hold, even nothing, has a `next` as long as there are rows that were not looked at.
"""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from rest_framework import exceptions
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from config.api.query_params import refuse_unknown

WALK = 20_000  # rows a page may look at: some 50 ms


class CursorPages(CursorPagination):
    """A page begins behind the row its cursor names. `ahead` and `behind` are where the two neighbours begin."""

    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 250
    LIMIT: ClassVar[str] = f"A whole number from 1 to {max_page_size}."
    ORDERS: ClassVar[tuple[str, ...]] = ("newest", "oldest")

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: Any = None) -> list[Any]:
        refuse_unknown(request, self, view)
        size = self.get_page_size(request)
        oldest_first = self.get_order(request) == "oldest"
        cursor = self.decode_cursor(request) or Cursor(0, False, None)
        self.base_url = request.build_absolute_uri()
        self.cursor = cursor
        rising = oldest_first is not cursor.reverse
        rows = queryset.order_by("pk" if rising else "-pk")
        if cursor.position is not None:
            rows = rows.filter(**{"pk__gt" if rising else "pk__lt": UUID(cursor.position)})
        narrowing: Q = getattr(view, "narrowing", Q())
        edge = _edge(rows) if narrowing else None
        if edge is not None:
            rows = rows.filter(**{"pk__lte" if rising else "pk__gte": edge})
        found = list(rows.filter(narrowing)[: size + 1])
        page = found[:size]
        self.ahead = page[-1].pk if len(found) > size else edge
        self.behind = _behind(page, cursor, rising)
        return page[::-1] if cursor.reverse else page

    def get_next_link(self) -> str | None:
        return self._link(self.behind if self.cursor.reverse else self.ahead, backwards=False)

    def get_previous_link(self) -> str | None:
        return self._link(self.ahead if self.cursor.reverse else self.behind, backwards=True)

    def _link(self, position: UUID | None, *, backwards: bool) -> str | None:
        return None if position is None else str(self.encode_cursor(Cursor(0, backwards, str(position))))

    def get_order(self, request: Request) -> str:
        order = request.query_params.get("order", self.ORDERS[0])
        if order not in self.ORDERS:
            raise exceptions.ValidationError({"order": [f"One of {', '.join(self.ORDERS)}."]})
        return str(order)

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

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        order = {"type": "string", "enum": list(self.ORDERS), "default": self.ORDERS[0]}
        described = "Which end of the list comes first."
        return [
            *super().get_schema_operation_parameters(view),
            {"name": "order", "in": "query", "required": False, "description": described, "schema": order},
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["data", "next", "previous"],
            "properties": {"data": schema, "next": link, "previous": link},
        }


def _edge(rows: QuerySet[Model]) -> UUID | None:
    """The key of the last row that may be looked at; None if all may."""
    last = list(rows.values_list("pk", flat=True)[WALK - 1 : WALK + 1])
    return last[0] if len(last) > 1 else None


def _behind(page: list[Any], cursor: Cursor, rising: bool) -> UUID | None:
    """Where the neighbour one came from begins; there is none without a cursor. Beside a page of no rows it begins
    one key short of the cursor, for a page begins behind the row that is named."""
    if cursor.position is None:
        return None
    if page:
        key: UUID = page[0].pk
        return key
    return UUID(int=min(max(UUID(cursor.position).int + (1 if rising else -1), 0), 2**128 - 1))
