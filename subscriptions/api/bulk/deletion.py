"""Delete many endpoints or subscriptions, which the filters of their list select."""

import time
from collections.abc import Callable
from typing import ClassVar, TypeVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from subscriptions.api.endpoints import EndpointFilters, Endpoints
from subscriptions.api.serializers.endpoint_batch import EndpointSelectionSerializer, SubscriptionSelectionSerializer
from subscriptions.api.subscriptions import SubscriptionFilters, Subscriptions
from subscriptions.api.tenancy import TenantScoped, tenant_of
from subscriptions.endpoints.endpoints import delete_endpoint
from subscriptions.models import Endpoint, Scope, Subscription
from webhooks.kit.audit.operation import report
from webhooks.kit.rest.query_params import QueryParams
from webhooks.kit.rest.selection import BulkResultSerializer, SelectionCountSerializer, SelectionSerializer

BUDGET = 15.0  # seconds that one request may take; rows that are left then are deleted by the next
MAX_DELETED = 1_000  # rows of one request
MAX_COUNTED = 100_000  # rows of a preview
M = TypeVar("M", Endpoint, Subscription)


class Selected(TenantScoped[M]):
    """Select rows of the request's tenant by the filters of their list."""

    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    filters: ClassVar[type[QueryParams]]

    def selected(self) -> QuerySet[M]:
        """Return the rows that the body selects. Raises ValidationError for the field of the filter at fault."""
        tenant = tenant_of(self.request)
        body = self.body()
        filters = self.filters(data=body["filter"], context=self.get_serializer_context())
        if not filters.is_valid():
            raise ValidationError({"filter": filters.errors})
        rows = self.limited(self.rows(tenant.pk))
        return rows.filter(filters.condition(unindexed=False)).filter(filters.condition(unindexed=True))

    def counted(self) -> Response:
        """Return how many rows the body selects, up to MAX_COUNTED."""
        count = self.selected().order_by()[: MAX_COUNTED + 1].count()
        return Response({"total": min(count, MAX_COUNTED), "is_lower_bound": count > MAX_COUNTED})

    def deleted(self, delete: Callable[[M], object]) -> Response:
        """Delete the oldest rows that the body selects, up to MAX_DELETED and the BUDGET; return how many."""
        until, total, has_more = time.monotonic() + BUDGET, 0, False
        for row in self.selected().order_by("id")[: MAX_DELETED + 1]:
            if total == MAX_DELETED or time.monotonic() > until:
                has_more = True
                break
            delete(row)
            total += 1
        report("deleted", total)
        return Response({"total": total, "has_more": has_more})


class SelectedEndpoints(Selected[Endpoint]):
    """Select endpoints."""

    queryset = Endpoints.queryset
    serializer_class: type[SelectionSerializer] = EndpointSelectionSerializer
    filters = EndpointFilters


class EndpointsDelete(SelectedEndpoints):
    """Delete many endpoints."""

    outside_transaction = True  # read by subscriptions.api.conventions.idempotency
    operations = {
        "post": (
            "Delete endpoints by filter",
            "Deletes the endpoints that match a filter, oldest first, with their subscriptions, at most 1,000 in a "
            "request; `has_more` says whether to repeat it. Their pending deliveries become dead letters.",
        ),
    }
    required_permissions = {"POST": "subscriptions.delete_endpoint"}

    @extend_schema(operation_id="delete_endpoints", request=EndpointSelectionSerializer, responses=BulkResultSerializer)
    def post(self, request: Request) -> Response:
        return self.deleted(delete_endpoint)


class EndpointsDeletePreview(SelectedEndpoints):
    """Count the endpoints that a request would delete."""

    is_audited = False
    operations = {
        "post": ("Preview the deletion of endpoints", "Counts the endpoints that match a filter, and changes nothing.")
    }
    required_scopes = {"POST": Scope.READ}

    @extend_schema(
        operation_id="preview_delete_endpoints", request=EndpointSelectionSerializer, responses=SelectionCountSerializer
    )
    def post(self, request: Request) -> Response:
        return self.counted()


class SelectedSubscriptions(Selected[Subscription]):
    """Select subscriptions."""

    queryset = Subscriptions.queryset
    serializer_class: type[SelectionSerializer] = SubscriptionSelectionSerializer
    filters = SubscriptionFilters
    endpoint_path = "endpoint_id"


class SubscriptionsDelete(SelectedSubscriptions):
    """Delete many subscriptions."""

    outside_transaction = True  # read by subscriptions.api.conventions.idempotency
    operations = {
        "post": (
            "Delete subscriptions by filter",
            "Deletes the subscriptions that match a filter, oldest first, at most 1,000 in a request; `has_more` says "
            "whether to repeat it.",
        ),
    }
    required_permissions = {"POST": "subscriptions.delete_subscription"}

    @extend_schema(
        operation_id="delete_subscriptions", request=SubscriptionSelectionSerializer, responses=BulkResultSerializer
    )
    def post(self, request: Request) -> Response:
        return self.deleted(Subscription.delete)


class SubscriptionsDeletePreview(SelectedSubscriptions):
    """Count the subscriptions that a request would delete."""

    is_audited = False
    operations = {
        "post": (
            "Preview the deletion of subscriptions",
            "Counts the subscriptions that match a filter, and changes nothing.",
        )
    }
    required_scopes = {"POST": Scope.READ}

    @extend_schema(
        operation_id="preview_delete_subscriptions",
        request=SubscriptionSelectionSerializer,
        responses=SelectionCountSerializer,
    )
    def post(self, request: Request) -> Response:
        return self.counted()
