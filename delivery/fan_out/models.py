"""Define pending shares: events that are still to be copied into a tenant which may subscribe to them."""

from django.db import models

from subscriptions.models import Tenant
from webhooks.wire import ids


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
