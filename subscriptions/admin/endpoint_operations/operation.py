"""Register operations on an endpoint; the provider's admin registers its own."""

from subscriptions.admin.row_operations import CHANGE, Operation, Operations
from subscriptions.models import Endpoint

__all__ = ["CHANGE", "ENDPOINTS", "EndpointOperation", "register"]

ENDPOINTS = Operations[Endpoint](
    lambda: Endpoint.objects.filter(deleted_at=None).select_related("tenant", "http", "destination")
)
EndpointOperation = Operation[Endpoint]
register = ENDPOINTS.register
