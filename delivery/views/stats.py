"""How the attempts to one endpoint went, hour by hour."""

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from delivery.hours import hours_of, summary
from delivery.serializers import EndpointStatsSerializer
from delivery.views.queries import StatsQuery
from subscriptions.models import Endpoint
from subscriptions.tenancy import TenantScoped

__all__ = ["EndpointStats"]


class EndpointStats(TenantScoped):
    """Statistics of one endpoint."""

    queryset = Endpoint.objects.filter(deleted_at=None)
    serializer_class: type[Serializer[object]] = EndpointStatsSerializer
    query = StatsQuery

    @extend_schema(operation_id="get_endpoint_stats", responses={200: EndpointStatsSerializer})
    def get(self, request: Request, ref: str) -> Response:
        """Attempts, how many were taken, and how long they took: of the whole time, and of each of its hours (UTC),
        oldest first. An attempt counts within seconds of its end. Test deliveries do not count."""
        endpoint = self.get_object()
        asked = self.query(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        hours = hours_of(endpoint.id, asked.validated_data["hours"], timezone.now())
        return Response(EndpointStatsSerializer({"total": summary(hours), "data": hours}).data)
