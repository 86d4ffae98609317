"""Divide lists into pages by id; cursors, not numbers, lead to the next page.

``limit`` (default 50, at most 250) is the number of rows on a page. ``order`` is ``newest`` first or ``oldest`` first.
``next`` and ``previous`` are URLs to follow as they are. Ids grow with time and never change, so rows that arrive while
a client reads shift no page.

A view may set ``unindexed``: a condition that no index serves. Then a page reads at most MAX_WALK rows. If it found
fewer than it may contain, even none, it has a ``next`` as long as there are unread rows.
"""

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from rest_framework import exceptions
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

MAX_WALK = 20_000  # rows that a page may read: about 50 ms


class CursorPages(CursorPagination):
    """A page starts after the row that its cursor names; ``ahead`` and ``behind`` are where its neighbours start."""

    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 250
    CURSOR: ClassVar[str] = "Not a cursor of this list; follow `next` and `previous` as they are."
    LIMIT: ClassVar[str] = f"Must be an integer from 1 to {max_page_size}."
    ORDERS: ClassVar[tuple[str, ...]] = ("newest", "oldest")

    cursor: Cursor
    listed: str
    """The kind of rows that are listed, which a cursor names, so that one of another list is refused."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.listed = getattr(queryset.model, "prefix", queryset.model._meta.model_name)
        size = self.get_page_size(request)
        oldest_first = self.get_order(request) == "oldest"
        cursor = self.decode_cursor(request) or Cursor(0, False, None)
        self.base_url = request.build_absolute_uri()
        self.cursor = cursor
        rising = oldest_first is not cursor.reverse
        rows = queryset.order_by("pk" if rising else "-pk")
        position = _position(cursor, self.listed)
        if position is not None:
            rows = rows.filter(**{"pk__gt" if rising else "pk__lt": position})
        unindexed: Q = getattr(view, "unindexed", Q())
        edge = _edge(rows) if unindexed else None
        if edge is not None:
            rows = rows.filter(**{"pk__lte" if rising else "pk__gte": edge})
        found = list(rows.filter(unindexed)[: size + 1])
        page = found[:size]
        self.ahead = page[-1].pk if len(found) > size else edge
        self.behind = _behind(page, position, rising)
        return page[::-1] if cursor.reverse else page

    def get_next_link(self) -> str | None:
        return self._link(self.behind if self.cursor.reverse else self.ahead, backwards=False)

    def get_previous_link(self) -> str | None:
        return self._link(self.ahead if self.cursor.reverse else self.behind, backwards=True)

    def _link(self, position: UUID | None, *, backwards: bool) -> str | None:
        if position is None:
            return None
        text: Any = f"{self.listed}.{position}"  # the stubs expect an integer
        return str(self.encode_cursor(Cursor(0, backwards, text)))

    def get_order(self, request: Request) -> str:
        order = request.query_params.get("order", self.ORDERS[0])
        if order not in self.ORDERS:
            raise exceptions.ValidationError({"order": [f"Must be one of: {', '.join(self.ORDERS)}."]})
        return str(order)

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get("limit", str(self.page_size))
        if not (text.isascii() and text.isdigit() and len(text) < 4 and 1 <= int(text) <= self.max_page_size):
            raise exceptions.ValidationError({"limit": [self.LIMIT]})
        return int(text)

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            cursor = super().decode_cursor(request)
            if cursor:
                _position(cursor, self.listed)
        except (exceptions.NotFound, ValueError):
            raise exceptions.ValidationError({"cursor": [self.CURSOR]}) from None
        return cursor

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"data": data, "next": self.get_next_link(), "previous": self.get_previous_link()})

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        order = {"type": "string", "enum": list(self.ORDERS), "default": self.ORDERS[0]}
        described = "Order of the list by time of creation."
        return [
            *super().get_schema_operation_parameters(view),
            {"name": "order", "in": "query", "required": False, "description": described, "schema": order},
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["data", "next", "previous"],
            "description": f"A page of {schema['items']['$ref'].rpartition('/')[2]} objects.",
            "properties": {
                "data": {**schema, "description": "Items of this page."},
                "next": {**link, "description": "URL of the next page; null: this is the last."},
                "previous": {**link, "description": "URL of the page before; null: this is the first."},
            },
        }


def _position(cursor: Cursor, listed: str) -> UUID | None:
    """Return the key that a cursor of this list names. Raises ValueError."""
    if cursor.position is None:
        return None
    prefix, _, key = str(cursor.position).partition(".")
    if prefix != listed:
        raise ValueError(prefix)
    return UUID(key)


def _edge(rows: QuerySet[Model]) -> UUID | None:
    """Return the key of the last row that the page may read; None if it may read all."""
    last = list(rows.values_list("pk", flat=True)[MAX_WALK - 1 : MAX_WALK + 1])
    return last[0] if len(last) > 1 else None


def _behind(page: list[Any], position: UUID | None, rising: bool) -> UUID | None:
    """Return where the page before this one starts; None without a cursor.

    Next to an empty page it starts one key before the cursor, since a page starts after the row that is named.
    """
    if position is None:
        return None
    if page:
        key: UUID = page[0].pk
        return key
    return UUID(int=min(max(position.int + (1 if rising else -1), 0), 2**128 - 1))
