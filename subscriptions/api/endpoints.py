"""Serve endpoints: the addresses that a tenant's webhooks are sent to."""

from functools import partial
from typing import Any

from rest_framework.response import Response

from subscriptions.api import openapi
from subscriptions.api.authentication import principal
from subscriptions.api.endpoint_secrets import shown_once
from subscriptions.api.serializers.endpoints import EndpointCreateSerializer, EndpointSerializer
from subscriptions.api.tenancy import OwnedResource
from subscriptions.endpoints import endpoints
from subscriptions.models import Endpoint
from webhooks.kit.rest.query_params import ChoiceFilter, QueryParams

__all__ = ["Endpoints"]


class EndpointFilters(QueryParams):
    """Filter endpoints."""

    state = ChoiceFilter(Endpoint.State.choices)


@openapi.endpoints
class Endpoints(OwnedResource[Endpoint]):
    """Where a tenant's webhooks go."""

    queryset = Endpoint.objects.select_related("tenant").filter(deleted_at=None)
    serializer_class = EndpointSerializer
    create_serializer_class = EndpointCreateSerializer
    query_params = EndpointFilters

    def create_row(self, fields: dict[str, Any]) -> Response:
        endpoint, text = endpoints.create_endpoint(self.tenant, **fields)
        return self.created(endpoint, **shown_once(text))

    def write(self, row: Endpoint, fields: dict[str, Any]) -> Endpoint:
        """Change the endpoint; its host name is resolved before the transaction, and the row is locked inside."""
        by_operator = principal(self.request).is_operator
        lock = partial(self.lock_if_match, row)
        return endpoints.change_endpoint(row, fields, by_operator=by_operator, precondition=lock)

    def delete_row(self, row: Endpoint) -> None:
        endpoints.delete_endpoint(row)
