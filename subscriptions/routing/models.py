"""Store subscriptions: which events an endpoint receives, and in which form."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from subscriptions.endpoints.models import Endpoint
from subscriptions.tenants.models import Tenant
from webhooks.kit.rows import Row


class Subscription(Row):
    """Model the events that an endpoint receives: by type, narrowed by a pattern, rewritten by a transformer."""

    prefix = "sub"
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="subscriptions", db_index=False)
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="subscriptions")
    event_types = ArrayField(
        models.CharField(max_length=256),
        default=list,
        help_text="Exact names, order.* for every type below order, or * for all types.",
    )
    pattern = models.JSONField(null=True, blank=True, help_text="Event pattern that the event must match; null: any.")
    transformer = models.JSONField(
        null=True, blank=True, help_text="input_paths and template of the body to send; null: the whole event."
    )
    description = models.CharField(max_length=1024, blank=True, help_text="Free text for people.")
    active = models.BooleanField(default=True, help_text="Whether the subscription matches events.")
    updated_at = models.DateTimeField(auto_now=True, help_text="When it was last changed.")

    class Meta:
        app_label = "subscriptions"
        indexes = [models.Index(fields=["tenant", "id"], name="subscription_by_tenant")]  # reader: GET /subscriptions/

    def __str__(self) -> str:
        return ", ".join(self.event_types)
