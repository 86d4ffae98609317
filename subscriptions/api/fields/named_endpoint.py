"""Define the field of an endpoint that names another endpoint of its tenant."""

from typing import Any

from django.db.models import QuerySet

from subscriptions.api.tenancy import limited_to_endpoint, tenant_of
from subscriptions.models import Endpoint
from webhooks.kit.rest.serializers import ReferenceField
from webhooks.wire.ids import public


def _endpoints_of(serializer: Any) -> QuerySet[Endpoint]:
    """Return the endpoints of the tenant of the one that is written, also when the request has a platform key."""
    row, request = serializer.instance, serializer.context["request"]
    tenant_id = row.tenant_id if isinstance(row, Endpoint) else tenant_of(request).pk
    return limited_to_endpoint(request, Endpoint.objects.filter(tenant=tenant_id, deleted_at=None), "pk")


class NamedEndpoint(ReferenceField):
    """Another endpoint of the same tenant; null: none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(_endpoints_of, required=False, allow_null=True, **options)

    def get_attribute(self, instance: Any) -> Any:
        """Return the key of the endpoint, without reading it."""
        return getattr(instance, f"{self.field_name}_id")

    def to_representation(self, value: Any) -> str:
        return public(Endpoint.prefix, value)
