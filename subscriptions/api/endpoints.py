"""Serve the endpoints of a tenant: the destinations of its webhooks."""

from collections.abc import Callable
from functools import partial
from typing import Any

from rest_framework.response import Response

from subscriptions.api import openapi
from subscriptions.api.authentication import principal
from subscriptions.api.endpoint_secrets import new_secret_field
from subscriptions.api.serializers.endpoints import (
    EndpointCreateSerializer,
    EndpointReplaceSerializer,
    EndpointSerializer,
)
from subscriptions.api.tenancy import OwnedResource
from subscriptions.endpoints import endpoints
from subscriptions.endpoints.destinations.registry import kind_names
from subscriptions.endpoints.signing_secrets import is_current_secret
from subscriptions.models import Endpoint, Tenant
from subscriptions.routing.subscriptions import set_subscriptions
from subscriptions.routing.transformer_conflicts import check_labels
from webhooks.kit.rest.list_filters import ConfiguredFilters, contains
from webhooks.kit.rest.query_params import ChoiceFilter, NameFilter, TextFilter


class EndpointFilters(ConfiguredFilters):
    """Filter endpoints."""

    state = ChoiceFilter(Endpoint.State.choices, help_text="State of the endpoint.")
    url = TextFilter(where=contains("http__url"), unindexed=True, max_length=2048, help_text="Part of the URL.")
    type = NameFilter(kind_names, where="kind", help_text="Type of the endpoint, as `GET /endpoint-types/` lists them.")
    q = TextFilter(
        where=contains("uid", "description", "http__url", "destination__address"),
        unindexed=True,
        min_length=2,
        max_length=256,
        help_text="Text in the `uid`, description or address, ignoring case.",
    )


@openapi.endpoints
class Endpoints(OwnedResource[Endpoint]):
    """Create, list, change and delete the endpoints to which a tenant's webhooks are sent."""

    operations = {
        "list": (
            "List endpoints",
            "Returns the tenant's endpoints, newest first. Filter by `uid`, type, URL, state, labels, text or time.",
        ),
        "create": (
            "Create an endpoint",
            "Registers a URL to send webhooks to, and creates the secret that signs them. Only this response "
            "contains the secret; if it is lost, rotate it. `subscriptions` select the events to send to it; they "
            "can also be created later. With a `type` other than `http` events are written to another system, such "
            "as a queue; its settings are tried, and refused with the field at fault if they do not work.",
        ),
        "retrieve": ("Get an endpoint", "Returns one endpoint, by id or `uid`."),
        "update": (
            "Replace an endpoint",
            "Sets every field of an endpoint; a field that is left out gets its default. A `uid` in the path that no "
            "endpoint has creates the endpoint (201). A `secret` is accepted here only if it is the current one. "
            "If endpoints have to be verified, a new URL has to be verified again.",
        ),
        "partial_update": (
            "Update an endpoint",
            "Changes the fields that are given and keeps the others. Set `state` to `paused` to hold "
            "deliveries, and to `active` to resume; deliveries that were held are then sent, within the "
            "endpoint's rate limit.",
        ),
        "destroy": (
            "Delete an endpoint",
            "Deletes an endpoint. Its pending deliveries, retries too, become dead letters with the cause "
            "`endpoint_deleted` within a minute. Its past deliveries can still be read.",
        ),
    }

    queryset = Endpoint.objects.select_related("tenant", "http", "destination").filter(deleted_at=None)
    serializer_class = EndpointSerializer
    create_serializer_class = EndpointCreateSerializer
    query_params = EndpointFilters
    endpoint_path = "pk"
    creates_by_put = True

    def get_serializer_class(self) -> type[Any]:
        """Return the serializer; that of a PUT accepts subscriptions too."""
        return EndpointReplaceSerializer if self.request.method == "PUT" else EndpointSerializer

    def create_row(self, fields: dict[str, Any]) -> Response:
        return self.created(*create(self.tenant, fields, by_operator=principal(self.request).is_platform))

    def created(self, row: Endpoint, secret: str = "") -> Response:  # type: ignore[override]
        """Return the response to a creation, with what the deliveries are verified with."""
        return super().created(row, **new_secret_field(secret))

    def with_uid_of_path(self, data: Any) -> Any:
        """Leave out a secret that is the current one, so that a creation by PUT can be repeated as it was."""
        data = super().with_uid_of_path(data)
        return data if self.is_free_uid() else without_current_secret(self.get_object(), data)

    def write(self, row: Endpoint, fields: dict[str, Any]) -> Endpoint:
        """Change the endpoint.

        The host name of a new URL is resolved before the transaction begins, so that no row is locked meanwhile; the
        lock and the check of ``If-Match`` follow inside it.
        """
        by_operator = principal(self.request).is_platform
        return change(row, fields, by_operator=by_operator, precondition=partial(self.lock_if_match, row))

    def delete_row(self, row: Endpoint) -> None:
        endpoints.delete_endpoint(row)


def create(tenant: Tenant, fields: dict[str, Any], *, by_operator: bool = False) -> tuple[Endpoint, str]:
    """Create an endpoint, with its subscriptions if they are given; return it and what its receiver verifies with."""
    finish = _finish(fields)
    return endpoints.create_endpoint(tenant, finish=finish, by_operator=by_operator, **fields)


def change(row: Endpoint, fields: dict[str, Any], **how: Any) -> Endpoint:
    """Change an endpoint, with its subscriptions if they are given; return it as it is afterwards."""
    finish = _finish(fields)
    return endpoints.change_endpoint(row, fields, finish=finish, **how)


def _finish(fields: dict[str, Any]) -> Callable[[Endpoint], None]:
    """Take the subscriptions out of the fields; return what makes them the endpoint's, and checks its labels."""
    wanted, has_labels = fields.pop("subscriptions", None), bool(fields.get("labels"))

    def finish(endpoint: Endpoint) -> None:
        if wanted is not None:
            set_subscriptions(endpoint, wanted)
        if has_labels:
            check_labels(endpoint)

    return finish


def without_current_secret(row: Endpoint, data: Any) -> Any:
    """Return the body of a PUT without its secret, if that is the endpoint's current one."""
    given = {name: data[name] for name in ("secret", "signing") if name in data} if isinstance(data, dict) else {}
    if not given or not all(isinstance(value, str) for value in given.values()):
        return data
    if not is_current_secret(row, data.get("secret"), data.get("signing")):
        return data
    return {name: value for name, value in data.items() if name not in ("secret", "signing")}
