"""Define what a worker has still to do for an accepted event: create its deliveries, or copy it into other tenants."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q, Value

from subscriptions.models import Tenant
from webhooks.wire import ids


class DeferredFanOut(models.Model):
    """An accepted event whose deliveries a worker has to create; the row is deleted with the last of them.

    The ids give the order in which the events of a tenant are routed. ``cursor`` is the last subscription that a slice
    looked at; all subscriptions with smaller ids are done.
    """

    class Reason(models.TextChoices):
        """Why the event was not routed when it was published."""

        STEPS = "steps", "Matching and rendering it takes more steps than one event may take in a request"
        DELIVERIES = "deliveries", "It has more deliveries than one request may create"
        BYTES = "bytes", "Its rendered bodies have more bytes than one request may render"
        RATE = "rate", "The tenant has used its routing steps of this second"
        ORDER = "order", "An ordered endpoint receives it, and an earlier event of the tenant is not routed yet"
        SCHEDULED = "scheduled", "Its time of delivery has come"
        SHARED = "shared", "Another tenant has shared it"
        OPERATIONAL = "operational", "It is an event of the platform itself, which is always routed by a worker"

    event = models.OneToOneField("delivery.Event", models.CASCADE, related_name="deferred_fan_out", db_constraint=False)
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_constraint=False, db_index=False)
    reason = models.CharField(max_length=11, choices=Reason.choices)
    is_ordered = models.BooleanField(help_text="Later events for ordered endpoints of the tenant wait for it.")
    cursor = models.UUIDField(null=True, help_text="The last subscription that is done; empty: none.")
    endpoint_ids = ArrayField(
        models.UUIDField(),
        default=list,
        db_default=Value([], ArrayField(models.UUIDField())),
        help_text="Endpoints that get the event whatever their subscriptions: those that a result is published to.",
    )
    token = models.UUIDField(null=True, help_text="Token of the worker's claim; storing a slice requires it.")
    claimed_until = models.DateTimeField(null=True, help_text="When the claim ends, or when a failed slice is retried.")

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "id"], name="fan_out_by_tenant"),  # readers: next_heads, read_fan_outs
            # reader: publishing to ordered endpoints
            models.Index(fields=["tenant"], name="fan_out_ordered", condition=Q(is_ordered=True)),
            # reader: claim_fan_out
            models.Index(fields=["claimed_until"], name="fan_out_claimed", condition=Q(token__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"deferred fan-out of {ids.public('evt', self.event_id)}"


class PendingShare(models.Model):
    """An event that a grant may share, to be copied into the grantee. Deleted in the transaction that copies it.

    Written in the transaction that publishes the event. The ids give the order in which the events are copied.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_constraint=False, db_index=False)
    event_id = models.UUIDField(help_text="The event.")
    grant_id = models.UUIDField(help_text="The grant that names its type.")
    due_at = models.DateTimeField(help_text="When it is copied: at once, or at its time of delivery.")

    class Meta:
        indexes = [models.Index(fields=["due_at", "id"], name="pending_share_due")]  # reader: take_shares

    def __str__(self) -> str:
        return f"share of {ids.public('evt', self.event_id)}"
