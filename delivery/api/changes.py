"""Change deliveries: cancel, retry and set aside an unfinished one; resend any; cancel many by a filter."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.filters.row_filters import filter_errors, of_own_endpoint, read_row_filter
from delivery.api.serializers.deliveries import DeliverySerializer
from delivery.api.serializers.delivery_cancel import DeliveryCancelSerializer
from delivery.lifecycle.cancel import cancel, cancel_matching, count_matching
from delivery.lifecycle.retry_now import retry_now
from delivery.lifecycle.set_aside import set_aside
from delivery.models import Delivery
from delivery.reading import queries
from delivery.replaying.replay_filter import DELIVERIES, ReplayFilter
from delivery.replaying.resend import resend
from subscriptions.api.authentication import principal
from subscriptions.api.tenancy import TenantScoped, tenant_of
from subscriptions.models import Scope, Tenant
from webhooks.kit.audit.operation import report
from webhooks.kit.rest.errors import Conflict
from webhooks.kit.rest.selection import BulkResultSerializer, SelectionCountSerializer


class DeliveryChange(TenantScoped[Delivery]):
    """Change one delivery."""

    queryset = Delivery.objects.all()
    serializer_class = DeliverySerializer
    endpoint_path = "endpoint_id"
    required_permissions = {"POST": "delivery.change_delivery"}
    result: str = ""  # the state that the change leads to: a delivery in it needs no change, and is no conflict

    def rows(self, tenant_id: UUID | None) -> QuerySet[Delivery]:
        return queries.deliveries(tenant_id)

    def change(self, apply: Callable[[Delivery], bool]) -> Response:
        """Apply the change and return the delivery. Raises Conflict if it was finished already."""
        delivery = self.get_object()
        is_changed = apply(delivery)
        delivery.refresh_from_db()
        if not is_changed and delivery.state != self.result:
            raise Conflict({"state": [f"Already {delivery.state}; resend it or create a replay."]})
        if not is_changed:
            report(f"{delivery.state} already", 0, 1)
        return Response(self.get_serializer(delivery).data)


class DeliveryCancel(DeliveryChange):
    """Cancel one delivery."""

    operations = {
        "post": (
            "Cancel a delivery",
            "Ends a delivery that is not finished; no further attempt is made. An attempt in progress "
            "is recorded. 409 if it has already ended.",
        ),
    }
    reads_body = False

    result = Delivery.State.CANCELLED

    @extend_schema(request=None, responses={200: DeliverySerializer}, operation_id="cancel_delivery")
    def post(self, request: Request, ref: str) -> Response:
        return self.change(lambda delivery: cancel(delivery, principal(request).label))


class DeliveryRetry(DeliveryChange):
    """Retry one delivery."""

    operations = {
        "post": (
            "Retry a delivery now",
            "Makes the next attempt due at once, ahead of the retry plan. The endpoint's rate limit, its circuit "
            "breaker and a pause that it asked for with `Retry-After` still apply. 409 if the delivery has ended.",
        ),
    }
    reads_body = False

    @extend_schema(request=None, responses={200: DeliverySerializer}, operation_id="retry_delivery")
    def post(self, request: Request, ref: str) -> Response:
        return self.change(retry_now)


class DeliveryResend(DeliveryChange):
    """Send one delivery again."""

    operations = {
        "post": (
            "Resend a delivery",
            "Sends one delivery again, whatever its state: delivered, dead, cancelled or pending. The receiver gets "
            "the same `webhook-id`. The retry plan starts anew; rate limit and circuit breaker still apply. "
            "409 while an attempt is in progress, if the payload was erased, or if the endpoint is disabled.",
        ),
    }
    reads_body = False

    @extend_schema(request=None, responses={200: DeliverySerializer}, operation_id="resend_delivery")
    def post(self, request: Request, ref: str) -> Response:
        delivery = self.get_object()
        resend(delivery, principal(request).label)
        delivery.refresh_from_db()
        return Response(self.get_serializer(delivery).data)


class DeliverySetAside(DeliveryChange):
    """Set one delivery aside."""

    operations = {
        "post": (
            "Set a delivery aside",
            "Moves an unfinished delivery to the dead letters, so that ordered deliveries behind it can go "
            "on. It can be replayed later.",
        ),
    }
    reads_body = False

    result = Delivery.State.DEAD

    @extend_schema(request=None, responses={200: DeliverySerializer}, operation_id="set_delivery_aside")
    def post(self, request: Request, ref: str) -> Response:
        return self.change(lambda delivery: set_aside(delivery, principal(request).label))


class DeliveriesCancel(TenantScoped[Delivery]):
    """Cancel many deliveries, in batches, so that no drain waits for all of them."""

    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "post": (
            "Cancel deliveries by filter",
            "Cancels the unfinished deliveries that match a filter, up to a limit per request; `has_more` "
            "says whether to repeat it.",
        ),
    }

    queryset = Delivery.objects.all()
    endpoint_path = "endpoint_id"
    required_permissions = {"POST": "delivery.change_delivery"}
    serializer_class = DeliveryCancelSerializer
    outside_transaction = True  # read by subscriptions.api.conventions.idempotency

    @extend_schema(
        operation_id="cancel_deliveries", request=DeliveryCancelSerializer, responses={200: BulkResultSerializer}
    )
    def post(self, request: Request) -> Response:
        tenant = tenant_of(request)
        cancelled = cancel_matching(tenant, read_filter(request, tenant, self.body()), principal(request).label)
        report("cancelled", cancelled.total)
        return Response(cancelled._asdict())


class DeliveriesCancelPreview(TenantScoped[Delivery]):
    """Count the deliveries that a request would cancel."""

    is_audited = False
    expensive = ("POST",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "post": (
            "Preview the cancelling of deliveries",
            "Counts the unfinished deliveries that match a filter, without changing anything.",
        ),
    }

    queryset = Delivery.objects.all()
    endpoint_path = "endpoint_id"
    serializer_class = DeliveryCancelSerializer
    required_scopes = {"POST": Scope.READ}

    @extend_schema(
        operation_id="preview_cancel_deliveries",
        request=DeliveryCancelSerializer,
        responses={200: SelectionCountSerializer},
    )
    def post(self, request: Request) -> Response:
        tenant = tenant_of(request)
        counted = count_matching(tenant, read_filter(request, tenant, self.body()))
        return Response({"total": counted.total, "is_lower_bound": counted.has_more})


def read_filter(request: Request, tenant: Tenant, fields: dict[str, Any]) -> ReplayFilter:
    """Read the filter of a request. Raises ValidationError with the name of the filter's field."""
    with filter_errors():
        return of_own_endpoint(request, read_row_filter(tenant, fields["filter"], DELIVERIES))
