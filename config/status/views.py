"""Serve how busy the platform is: to operators in full; at ``/status/``, without a key, in figures only."""

from typing import Any

from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from config.status.serializers import StatusSerializer, summary
from config.status.status import platform_status
from subscriptions.api.authentication import PlatformOnly
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Tenant


@require_safe
def status_probe(_request: HttpRequest) -> HttpResponse:
    """Return whether the platform needs more capacity, with figures; 503 if the database is unavailable."""
    try:
        return JsonResponse(summary(platform_status()))
    except Error:
        return JsonResponse({"busy": None, "reason": "The database is unavailable."}, status=503)


class Status(TenantScoped[Tenant]):
    """How busy the platform is."""

    operations = {
        "get": (
            "Get the status of the platform",
            "Returns how busy the platform is and whether it needs more capacity: the drains and web processes with "
            "their load, the backlog, and the endpoints that are behind, with reasons. Platform keys only.",
        ),
    }

    queryset = Tenant.objects.none()
    permission_classes = (PlatformOnly,)
    serializer_class: type[Serializer[Any]] = StatusSerializer

    @extend_schema(operation_id="get_status", responses={200: StatusSerializer})
    def get(self, _request: Request) -> Response:
        """Return the status, at most a second old."""
        return Response(StatusSerializer(platform_status()).data)
