"""Serve grants: a tenant lets another one subscribe to some of its events."""

from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from rest_framework.permissions import SAFE_METHODS
from rest_framework.response import Response

from subscriptions.api.sharing.serializers import GrantSerializer
from subscriptions.api.tenancy import OwnedResource
from subscriptions.models import Grant
from subscriptions.routing.grants import change_grant, create_grant, end_grant
from webhooks.kit.rest.query_params import BooleanFilter, QueryParams


class GrantFilters(QueryParams):
    """Filter grants."""

    ended = BooleanFilter(
        where=lambda ended: Q(ended_at__isnull=not ended), help_text="Whether the grant has ended. Default: both."
    )


class Grants(OwnedResource[Grant]):
    """The owner of the events creates, changes and ends grants; the grantee reads those that it was given."""

    operations = {
        "list": (
            "List grants",
            "Returns the grants that the tenant has given and those that it was given, newest first, ended ones too.",
        ),
        "create": (
            "Create a grant",
            "Lets another tenant, the grantee, subscribe to events of this one: those of the given `event_types` that "
            "also match the `pattern`, if there is one, published from now on. The grantee names the grant in its "
            "subscriptions; deliveries, endpoints and limits are its own.",
        ),
        "retrieve": ("Get a grant", "Returns one grant, given or received, by id."),
        "update": (
            "Replace a grant",
            "Sets every field of a grant in force but the grantee; a field that is left out gets its default. Only its "
            "owner can. Applies to events published from then on.",
        ),
        "partial_update": (
            "Update a grant",
            "Changes the fields that are given and keeps the others. Only the owner of a grant in force can. Applies "
            "to events published from then on.",
        ),
        "destroy": (
            "End a grant",
            "Ends a grant for good: no further event is shared. It stays in lists with `ended_at`. Events that were "
            "shared before stay with the grantee, and so do their deliveries. Only the owner can.",
        ),
    }

    queryset = Grant.objects.select_related("tenant", "grantee").filter(tenant__deleted_at=None)
    serializer_class = GrantSerializer
    query_params = GrantFilters

    def rows(self, tenant_id: UUID | None) -> QuerySet[Grant]:
        """Return the grants that a tenant may read, or change: only its own that are in force."""
        rows = super().rows(None)
        is_read = self.request.method in SAFE_METHODS
        if not is_read:
            rows = rows.filter(ended_at=None)
        if tenant_id is None:
            return rows
        return rows.filter(Q(tenant=tenant_id) | Q(grantee=tenant_id) if is_read else Q(tenant=tenant_id))

    def create_row(self, fields: dict[str, Any]) -> Response:
        return self.created(create_grant(self.tenant, **fields))

    def change_row(self, row: Grant, fields: dict[str, Any]) -> Grant:
        return change_grant(row, fields)

    def delete_row(self, row: Grant) -> None:
        end_grant(row)
