"""Define pending results of deliveries: a row is work that remains, deleted when its record is published."""

from django.db import models

from subscriptions.models import Endpoint, Row, Tenant
from webhooks.wire import ids


class PendingResult(Row):
    """A delivery that has ended for good, whose invocation record is still to be published.

    Written in the transaction that ends the delivery (``operational.pending_results``), so neither exists without the
    other. It has what a replay of the delivery would change; all else is read when the record is published.
    """

    prefix = "owr"
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_constraint=False, db_index=False)
    delivery = models.ForeignKey("Delivery", models.CASCADE, related_name="+", db_constraint=False, db_index=False)
    endpoint = models.ForeignKey(
        Endpoint,
        models.CASCADE,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        help_text="The endpoint that on_success or on_failure names; empty: only subscriptions receive the record.",
    )
    succeeded = models.BooleanField(help_text="Whether the delivery succeeded.")
    condition = models.CharField(max_length=24, help_text="Why it has ended: delivered, cancelled, or a cause.")
    reason = models.TextField(blank=True, help_text="Details of the condition, if there are any.")
    attempts = models.PositiveSmallIntegerField(help_text="Attempts made.")
    last_status = models.PositiveSmallIntegerField(null=True, help_text="HTTP status of the last one.")
    last_error = models.CharField(max_length=20, blank=True, help_text="Class of the last failure.")

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "id"], name="pending_result_by_tenant"),  # reader: take_pending
            models.Index(fields=["delivery"], name="pending_result_of_delivery"),  # reader: explanations
        ]

    def __str__(self) -> str:
        return f"result of {ids.public('dlv', self.delivery_id)}"
