"""Serve the limits of a tenant, with what is used of each."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from delivery.reading.tenant_limits import PLAN, SETTING, TenantLimit, limits_of
from subscriptions.api.tenancy import TenantScoped
from subscriptions.models import Tenant

SET_BY = [(PLAN, "Plan of the tenant"), (SETTING, "Setting of the operator")]


class TenantLimitSerializer(serializers.Serializer[TenantLimit]):
    """A limit that applies to a tenant."""

    name = serializers.CharField(help_text="Name of the limit, as problems name it: `max_endpoints`.")
    set_by = serializers.ChoiceField(
        SET_BY,
        help_text="Where the limit is set: in the tenant's `plan`, or in a `setting` of the operator.",
    )
    description = serializers.CharField(help_text="What the limit counts, and in which unit.")
    allowed = serializers.IntegerField(allow_null=True, help_text="The limit; null: no limit.")
    used = serializers.IntegerField(
        allow_null=True, help_text="What is used of it now; null: nothing is counted over time."
    )
    resets_at = serializers.DateTimeField(
        allow_null=True, help_text="When the use is counted anew; null: it is not a count of a period."
    )


class TenantLimitsSerializer(serializers.Serializer[Any]):
    """All limits that apply to a tenant."""

    data = TenantLimitSerializer(  # type: ignore[assignment]  # the stubs have a property of this name
        many=True, help_text="Limits of the plan, then those of the operator."
    )


class TenantLimits(TenantScoped[Tenant]):
    """The limits of one tenant."""

    operations = {
        "get": (
            "Get a tenant's limits",
            "Returns every limit that applies to the tenant, of its plan and of the operator, and what is used of "
            "it. A tenant reads its own.",
        ),
    }

    queryset = Tenant.objects.select_related("plan").filter(deleted_at=None)
    serializer_class = TenantLimitsSerializer
    tenant_path = "pk"

    @extend_schema(operation_id="get_tenant_limits", responses={200: TenantLimitsSerializer})
    def get(self, request: Request, ref: str) -> Response:
        """Return the limits as of now."""
        return Response(TenantLimitsSerializer({"data": limits_of(self.get_object())}).data)
