"""Define fields that name another row of the request's tenant and show its id, without reading that row."""

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet

from subscriptions.api.tenancy import limited_to_endpoint, tenant_of
from subscriptions.models import Endpoint
from webhooks.kit.rest.fields.references import ReferenceField
from webhooks.wire.ids import public


class ShownById(ReferenceField):
    """Another row, or null: given by its id or uid, shown by the id that the column has."""

    def __init__(self, rows_of: Callable[[Any], "QuerySet[Any]"], prefix: str, **options: Any) -> None:
        super().__init__(rows_of, required=False, allow_null=True, **options)
        self._prefix = prefix

    def get_attribute(self, instance: Any) -> Any:
        """Return the key of the row."""
        return getattr(instance, f"{self.field_name}_id")

    def to_representation(self, value: Any) -> str:
        return public(self._prefix, value)


def _endpoints_of(serializer: Any) -> QuerySet[Endpoint]:
    """Return the endpoints of the tenant of the one that is written, also when the request has a platform key."""
    row, request = serializer.instance, serializer.context["request"]
    tenant_id = row.tenant_id if isinstance(row, Endpoint) else tenant_of(request).pk
    return limited_to_endpoint(request, Endpoint.objects.filter(tenant=tenant_id, deleted_at=None), "pk")


class NamedEndpoint(ShownById):
    """Another endpoint of the same tenant; null: none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(_endpoints_of, Endpoint.prefix, **options)
