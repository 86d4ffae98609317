"""Serve endpoints: the addresses that a tenant's webhooks are sent to."""

from functools import partial
from typing import Any

from rest_framework.response import Response

from subscriptions.api import openapi
from subscriptions.api.authentication import principal
from subscriptions.api.endpoint_secrets import new_secret_field
from subscriptions.api.serializers.endpoints import EndpointCreateSerializer, EndpointSerializer
from subscriptions.api.tenancy import OwnedResource
from subscriptions.endpoints import endpoints
from subscriptions.models import Endpoint
from webhooks.kit.rest.query_params import ChoiceFilter, QueryParams


class EndpointFilters(QueryParams):
    """Filter endpoints."""

    state = ChoiceFilter(Endpoint.State.choices)


@openapi.endpoints
class Endpoints(OwnedResource[Endpoint]):
    """Where a tenant's webhooks go."""

    operations = {
        "list": (
            "List endpoints",
            "Returns the tenant's endpoints, newest first. Filter by state, `uid`, or the event type they receive.",
        ),
        "create": (
            "Create an endpoint",
            "Registers a URL to send webhooks to, and creates the secret that signs them. The secret is in "
            "this response and, later, only by rotation. Then create a subscription to say which events it "
            "gets.",
        ),
        "retrieve": ("Get an endpoint", "Returns one endpoint, by id or `uid`."),
        "update": (
            "Replace an endpoint",
            "Sets every field of an endpoint; a field that is left out gets its default. A new URL has to be "
            "verified again where verification is required.",
        ),
        "partial_update": (
            "Update an endpoint",
            "Changes the fields that are given and keeps the others. Set `state` to `paused` to keep "
            "deliveries waiting, to `active` to go on; deliveries that wait are then sent within the "
            "endpoint's rate.",
        ),
        "destroy": (
            "Delete an endpoint",
            "Deletes an endpoint; what is pending for it becomes dead letters with the cause "
            "`endpoint_deleted`. Its past deliveries stay readable.",
        ),
    }

    queryset = Endpoint.objects.select_related("tenant", "http").filter(deleted_at=None)
    serializer_class = EndpointSerializer
    create_serializer_class = EndpointCreateSerializer
    query_params = EndpointFilters

    def create_row(self, fields: dict[str, Any]) -> Response:
        endpoint, text = endpoints.create_endpoint(self.tenant, **fields)
        return self.created(endpoint, **new_secret_field(text))

    def write(self, row: Endpoint, fields: dict[str, Any]) -> Endpoint:
        """Change the endpoint; its host name is resolved before the transaction, and the row is locked inside."""
        by_operator = principal(self.request).is_operator
        lock = partial(self.lock_if_match, row)
        return endpoints.change_endpoint(row, fields, by_operator=by_operator, precondition=lock)

    def delete_row(self, row: Endpoint) -> None:
        endpoints.delete_endpoint(row)
