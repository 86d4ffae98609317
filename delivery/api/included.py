"""Show related rows with each row of a list: ``?include=event,attempts``."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.serializers import BaseSerializer, ModelSerializer

from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Row
from webhooks.kit.rest.resources import Listed

M = TypeVar("M", bound=Row)


class IncludingSerializer(ModelSerializer[M]):
    """Serialize a row with the related rows that were requested, if it is one of a list."""

    def to_representation(self, instance: M) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if included := self.context.get("included"):
            shown["included"] = {
                name: serializer(rows[instance.pk], many=isinstance(rows[instance.pk], list)).data
                for name, (serializer, rows) in included.items()
            }
        return shown


class IncludingList(TenantScoped[M], Listed[M]):
    """List rows, each with the related rows that ``include`` names, which are read once for the whole page."""

    included_serializers: ClassVar[Mapping[str, type[BaseSerializer[Any]]]]
    requested: Sequence[str] = ()
    included: dict[str, tuple[type[BaseSerializer[Any]], dict[UUID, Any]]]

    def query(self, tenant_id: UUID | None, **arguments: Any) -> QuerySet[M]:
        """Return the rows of a tenant that the arguments select."""
        raise NotImplementedError

    def include(self, name: str, page: Sequence[M]) -> dict[UUID, Any]:
        """Return the related rows of this name for each row of the page, by the row's key."""
        raise NotImplementedError

    def rows(self, tenant_id: UUID | None) -> QuerySet[M]:
        return self.query(tenant_id)

    def select(self, tenant_id: UUID | None, *, include: Sequence[str] = (), **arguments: Any) -> QuerySet[M]:
        self.requested = include
        return self.query(tenant_id, **arguments)

    def paginate_queryset(self, queryset: Any) -> list[Any] | None:
        page = super().paginate_queryset(queryset)
        self.included = {
            name: (self.included_serializers[name], self.include(name, page or ())) for name in self.requested
        }
        return page

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "included": getattr(self, "included", {})}
