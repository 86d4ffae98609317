"""Steering what has not ended: one delivery by what is created under it, many by a cancellation with a filter."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from delivery.api.rows import Single
from delivery.api.serializers import CancellationSerializer, CancelledSerializer, DeliverySerializer
from delivery.lifecycle import control
from delivery.models import Delivery
from delivery.reading import queries
from delivery.replaying.replay_filter import DELIVERIES, Filter
from subscriptions.api.authentication import principal
from subscriptions.api.tenancy import Conflict, tenant_of
from subscriptions.models import Scope, Tenant

__all__ = ["Cancellation", "CancellationPreview", "Cancellations", "Parking", "Retry"]


class Steering(Single[Delivery]):
    """Does something to one delivery, if it has not ended."""

    serializer_class = DeliverySerializer
    done = ""  # the state in which there is nothing left to do

    def rows(self, tenant_id: UUID | None) -> QuerySet[Delivery]:
        return queries.deliveries(tenant_id)

    def steer(self, verb: Callable[[Delivery], bool]) -> Response:
        delivery = self.get_object()
        steered = verb(delivery)
        delivery.refresh_from_db()
        if not steered and delivery.state != self.done:
            raise Conflict({"state": [f"This delivery has ended: it is {delivery.state}."]})
        return Response(self.get_serializer(delivery).data)


class Cancellation(Steering):
    done = Delivery.State.CANCELLED

    @extend_schema(request=None, responses={200: DeliverySerializer}, operation_id="cancel_delivery")
    def post(self, request: Request, ref: str) -> Response:
        """Send this delivery no more, even if it is being sent at the moment. Again changes nothing; 409 if it had
        ended."""
        return self.steer(lambda delivery: control.cancel(delivery, principal(request).label))


class Retry(Steering):
    @extend_schema(request=None, responses={200: DeliverySerializer}, operation_id="retry_delivery")
    def post(self, request: Request, ref: str) -> Response:
        """Send this delivery now, ahead of its plan. 409 if it has ended: then create a replay."""
        return self.steer(control.send_now)


class Parking(Steering):
    done = Delivery.State.DEAD

    @extend_schema(request=None, responses={200: DeliverySerializer}, operation_id="park_delivery")
    def post(self, request: Request, ref: str) -> Response:
        """Make this delivery a dead letter now, so that those behind it go on; a replay brings it back."""
        return self.steer(lambda delivery: control.park(delivery, principal(request).label))


class Cancellations(APIView):
    """Cancelling many, a batch after the other: no drain waits for all of them."""

    outside_transaction = True  # read by config.api.idempotency

    @extend_schema(request=CancellationSerializer, responses={200: CancelledSerializer})
    def post(self, request: Request) -> Response:
        """Cancel what has not ended and matches. ``more``: there is too much for one call; ask again."""
        tenant = tenant_of(request)
        found = control.cancel_matching(tenant, wanted(tenant, request.data), principal(request).label)
        return Response(CancelledSerializer(found._asdict()).data)


class CancellationPreview(APIView):
    """How many a cancellation with this filter would be about."""

    required_scopes = {"POST": Scope.READ}

    @extend_schema(request=CancellationSerializer, responses={200: CancelledSerializer})
    def post(self, request: Request) -> Response:
        """Count, and change nothing."""
        tenant = tenant_of(request)
        return Response(CancelledSerializer(control.count(tenant, wanted(tenant, request.data))._asdict()).data)


def wanted(tenant: Tenant, body: Any) -> Filter:
    """The filter of a request. Raises ValidationError that names the field of the filter."""
    asked = CancellationSerializer(data=body)
    asked.is_valid(raise_exception=True)
    try:
        return Filter.parse(asked.validated_data["filter"], DELIVERIES, tenant)
    except ValueError as error:
        field, reason = error.args
        raise ValidationError({"filter": {field: [reason]}}) from error
