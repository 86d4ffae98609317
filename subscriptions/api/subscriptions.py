"""Serve subscriptions: the events that an endpoint receives."""

from typing import Any

from django.db.models import Func, Q, QuerySet
from django.db.models import TextField as TextColumn
from django.db.models.lookups import Contains
from rest_framework.response import Response

from subscriptions.api import openapi
from subscriptions.api.serializers.subscriptions import SubscriptionSerializer
from subscriptions.api.tenancy import OwnedResource, endpoints_of
from subscriptions.models import Endpoint, Subscription
from subscriptions.routing.subscriptions import change_subscription, create_subscription
from subscriptions.routing.type_names import matching_names
from webhooks.kit.rest.labels import LabelsFilter
from webhooks.kit.rest.list_filters import ConfiguredFilters
from webhooks.kit.rest.query_params import BooleanFilter, QueryParams, ReferenceFilter, TextFilter
from webhooks.kit.rows import is_type_prefix


def _endpoints(params: QueryParams) -> QuerySet[Endpoint]:
    """Return the endpoints that the request may name."""
    return endpoints_of(params.context["view"].request)


def _to_endpoint(endpoint: Endpoint) -> Q:
    """Return the condition for the subscriptions of an endpoint."""
    return Q(endpoint=endpoint) | Q(tenant=endpoint.tenant_id, endpoint_labels__contained_by=endpoint.labels)


LINES = "E'\\n' || array_to_string(%(expressions)s, E'\\n')"  # each type of an array after a line feed


def _names_type(pattern: str) -> Q:
    """Return the condition for the subscriptions whose types include this one, or at least one of ``order.*``."""
    if pattern == "*":
        return Q()
    includes = Q(event_types__overlap=list(matching_names(pattern)))
    if not is_type_prefix(pattern):
        return includes
    names = Func("event_types", template=LINES, output_field=TextColumn())
    return includes | Q(Contains(names, "\n" + pattern[:-1]))


class SubscriptionFilters(ConfiguredFilters):
    """Filter subscriptions; ``event_type``: those that match events of this type."""

    endpoint = ReferenceFilter(
        _endpoints,
        where=_to_endpoint,
        help_text="Id or `uid` of an endpoint, which may be named or selected by its labels.",
    )
    labels = LabelsFilter(
        where="endpoint__labels", help_text="Labels that the endpoint has, all of them: `env:prod,region:eu`."
    )
    active = BooleanFilter(help_text="Whether the subscription is active. Without this filter the list has both.")
    event_type = TextFilter(
        max_length=256,
        where=_names_type,
        help_text="An event type: only subscriptions whose types include it (`order.paid`), or at least one below it "
        "(`order.*`).",
    )


@openapi.subscriptions
class Subscriptions(OwnedResource[Subscription]):
    """Which events an endpoint wants."""

    operations = {
        "list": (
            "List subscriptions",
            "Returns the tenant's subscriptions, newest first. Filter by `uid`, endpoint, labels, event type or time.",
        ),
        "create": (
            "Create a subscription",
            "Sends matching events to an endpoint, or to all endpoints that have some labels: those of the given "
            "`event_types` (`order.*` matches a prefix) that also match the `pattern`, if there is one. A "
            "`transformer` gives the body another shape.",
        ),
        "retrieve": ("Get a subscription", "Returns one subscription, by id or `uid`."),
        "update": (
            "Replace a subscription",
            "Sets every field of a subscription; a field that is left out gets its default. Applies to events "
            "published from then on. A `uid` in the path that no subscription has creates the subscription (201).",
        ),
        "partial_update": (
            "Update a subscription",
            "Changes the fields that are given and keeps the others. Applies to events published from then on.",
        ),
        "destroy": (
            "Delete a subscription",
            "Deletes a subscription. Applies to events published from then on. Deliveries that are already pending, "
            "retries too, still go out; cancel them to stop them.",
        ),
    }

    keeps_numbers = True  # read by subscriptions.api.conventions.errors
    queryset = Subscription.objects.select_related("tenant", "endpoint").filter(endpoint__deleted_at=None)
    serializer_class = SubscriptionSerializer
    query_params = SubscriptionFilters
    endpoint_path = "endpoint_id"
    is_below_endpoint = True
    creates_by_put = True

    def create_row(self, fields: dict[str, Any]) -> Response:
        return self.created(create_subscription(self.tenant, fields))

    def change_row(self, row: Subscription, fields: dict[str, Any]) -> Subscription:
        return change_subscription(row, fields)

    def delete_row(self, row: Subscription) -> None:
        row.delete()
