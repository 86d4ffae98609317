"""List endpoints with the health of each and its attempts of the last day, for a page that shows many at once."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.api.endpoints.lane_status import EndpointHealthSerializer
from delivery.api.endpoints.stats import EndpointStatsSerializer
from delivery.reading.endpoint_health import EndpointOverview, endpoint_overviews
from subscriptions.api.endpoints import EndpointFilters
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Endpoint
from webhooks.kit.rest.fields.references import IdField
from webhooks.kit.rest.resources import ListView


class EndpointOverviewSerializer(serializers.Serializer[EndpointOverview]):
    """An endpoint with its health and the statistics of its last 24 hours."""

    endpoint = IdField(Endpoint.prefix, source="endpoint.id", help_text="Id of the endpoint.")
    endpoint_state = serializers.ChoiceField(
        Endpoint.State.choices, source="endpoint.state", help_text="State of the endpoint."
    )
    health = EndpointHealthSerializer(help_text="How the endpoint is, in words.")
    stats = EndpointStatsSerializer(help_text="Its attempts in the last 24 hours.")


@extend_schema_view(get=extend_schema(operation_id="list_endpoint_overviews"))
class EndpointOverviews(TenantScoped[Endpoint], ListView[Endpoint]):
    """The endpoints of a tenant, in the order and with the filters of the list of endpoints."""

    expensive = ("GET",)  # read by subscriptions.api.conventions.expensive_requests
    operations = {
        "get": (
            "List endpoints with their health",
            "Returns for each endpoint, newest first, its health in words and its attempts of the last 24 hours: what "
            "`GET /endpoints/{ref}/status/` and `.../stats/` say of one. Filters and pages are those of "
            "`GET /endpoints/`.",
        ),
    }

    queryset = Endpoint.objects.filter(deleted_at=None)
    endpoint_path = "pk"
    serializer_class: type[serializers.Serializer[Any]] = EndpointOverviewSerializer
    query_params = EndpointFilters

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        page = self.paginate_queryset(self.filtered_rows())
        overviews = endpoint_overviews(page or [], timezone.now())
        return self.get_paginated_response(self.get_serializer(overviews, many=True).data)
