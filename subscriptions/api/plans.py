"""Serve plans: operators manage them; a tenant reads its own."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.response import Response

from subscriptions.api.authentication import PlatformWrites
from subscriptions.api.serializers.plans import PlanSerializer
from subscriptions.api.tenancy import TenantScoped, tenant_of
from subscriptions.models import Plan
from subscriptions.tenants import plans
from webhooks.kit.rest.resources import Resource


class Plans(TenantScoped[Plan], Resource[Plan]):
    """Plans, the limits of tenants. A tenant sees only its own plan."""

    operations = {
        "list": ("List plans", "Returns the plans there are. A tenant sees the plan it is on."),
        "create": (
            "Create a plan",
            "Creates a plan: what its tenants may use. A limit that is left out does not apply. Platform keys only.",
        ),
        "retrieve": ("Get a plan", "Returns one plan, by id or `uid`."),
        "update": (
            "Replace a plan",
            "Sets every limit of a plan; a limit that is left out no longer applies. Takes effect for its "
            "tenants within a second. Platform keys only.",
        ),
        "partial_update": (
            "Update a plan",
            "Changes the limits that are given and keeps the others. Takes effect for the plan's tenants "
            "within a second. Platform keys only.",
        ),
        "destroy": ("Delete a plan", "Deletes a plan that no tenant is on; 409 otherwise. Platform keys only."),
    }

    queryset = Plan.objects.all()
    serializer_class = PlanSerializer
    permission_classes = (PlatformWrites,)

    def rows(self, tenant_id: UUID | None) -> QuerySet[Plan]:
        """Return the plan of the tenant: its own or the default; for operators all plans."""
        rows = Plan.objects.all()
        return rows if tenant_id is None else rows.filter(pk=plans.plan_of(tenant_of(self.request)).pk)

    def create_row(self, fields: dict[str, Any]) -> Response:
        return self.created(plans.create_plan(**fields))

    def change_row(self, row: Plan, fields: dict[str, Any]) -> Plan:
        return plans.change_plan(row, fields)

    def delete_row(self, row: Plan) -> None:
        plans.delete_plan(row)
