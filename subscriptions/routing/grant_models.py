"""Store grants: which events of a tenant another tenant may subscribe to."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from subscriptions.tenants.models import Tenant
from webhooks.kit.rows import Row


class Grant(Row):
    """Model the permission of a tenant to subscribe to events of another one.

    An event that the grant names is copied into the grantee, whose subscriptions that name the grant are matched with
    the copy. So deliveries, limits, statistics and retention are the grantee's, and nothing else of the owner is seen.
    """

    prefix = "gnt"
    tenant = models.ForeignKey(
        Tenant, models.CASCADE, related_name="grants", db_index=False, help_text="Owner of the events."
    )
    grantee = models.ForeignKey(
        Tenant, models.CASCADE, related_name="received_grants", db_index=False, help_text="Tenant that may subscribe."
    )
    event_types = ArrayField(
        models.CharField(max_length=256),
        help_text="Exact names, order.* for every type below order, or * for all types.",
    )
    pattern = models.JSONField(null=True, blank=True, help_text="Event pattern that the event must match; null: any.")
    description = models.CharField(max_length=1024, blank=True, help_text="Free text for people.")
    ended_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When it ended; null: it applies.")
    updated_at = models.DateTimeField(auto_now=True, help_text="When it was last changed.")

    class Meta:
        app_label = "subscriptions"
        constraints = [models.CheckConstraint(condition=~Q(tenant=F("grantee")), name="grant_to_another_tenant")]
        indexes = [
            models.Index(fields=["tenant", "id"], name="grant_by_tenant"),  # reader: GET /grants/
            models.Index(fields=["grantee", "id"], name="grant_by_grantee"),  # reader: GET /grants/
            # reader: the route table
            models.Index(fields=["tenant"], name="grant_in_force", condition=Q(ended_at=None)),
        ]

    def __str__(self) -> str:
        return ", ".join(self.event_types)
