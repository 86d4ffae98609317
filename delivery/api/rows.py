"""Share what the reading views have in common: one page of a tenant's rows, or one row.

A list walks an index (``queries``); other filters are conditions on the rows of the walk (``list_filters``), of which
a page reads a limited number.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db.models import Q, QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.serializers import Serializer

from delivery.reading import queries
from delivery.reading.list_filters import Conditions, matching
from subscriptions.api.tenancy import find, tenant_id_of
from subscriptions.models import Row

__all__ = ["Page", "Single", "found"]

M = TypeVar("M", bound=Row)


class Page(ListAPIView[M]):
    """A list: ``query`` reads what was asked for, ``rows`` finds it below the tenant, ``conditions`` narrow it, and
    ``include`` reads what is shown with each row."""

    filter_backends = ()
    query: ClassVar[type[Serializer[Any]]]
    conditions: ClassVar[Conditions] = {}
    narrowing = Q()  # read by the pages
    asked_along: tuple[str, ...] = ()
    included: dict[str, dict[UUID, Any]]

    def rows(self, tenant_id: UUID | None, **asked: Any) -> QuerySet[M]:
        """The rows of this tenant that were asked for."""
        raise NotImplementedError

    def include(self, name: str, page: Sequence[M]) -> dict[UUID, Any]:
        """What is shown with each row of the page under this name, by the row's key."""
        raise NotImplementedError

    def get_queryset(self) -> QuerySet[M]:
        asked = self.query(data=self.request.query_params.dict())  # no form: an empty value is one
        asked.is_valid(raise_exception=True)
        tenant_id, wanted = tenant_id_of(self.request), dict(asked.validated_data)
        self.asked_along = tuple(wanted.pop("include", ()))
        if "endpoint" in wanted:
            wanted["endpoint"] = found(queries.endpoints(tenant_id, wanted["endpoint"]), wanted["endpoint"])
        if "event" in wanted:
            wanted["event"] = found(queries.events(tenant_id), wanted["event"])
        self.narrowing = matching(self.conditions, wanted)
        return self.rows(tenant_id, **{name: it for name, it in wanted.items() if name not in self.conditions})

    def paginate_queryset(self, queryset: Any) -> list[Any] | None:
        page = super().paginate_queryset(queryset)
        self.included = {name: self.include(name, page or ()) for name in self.asked_along}
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "included": getattr(self, "included", {})}


class Single(GenericAPIView[M]):
    """One row of the tenant's, by its id in the path."""

    def rows(self, tenant_id: UUID | None) -> QuerySet[M]:
        """Where to look for it."""
        raise NotImplementedError

    def get_object(self) -> M:
        return found(self.rows(tenant_id_of(self.request)), self.kwargs["ref"])


def found(rows: QuerySet[M], ref: str) -> M:
    """The one of these rows that has this id. Raises NotFound: for somebody else's as for one that never was."""
    row = find(rows, ref)
    if row is None:
        raise NotFound
    return row
