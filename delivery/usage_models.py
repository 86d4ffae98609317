"""What was used is counted in the transaction that uses it: exactly, and without a row that all would wait for.

Whatever is counted inserts a ``Tally``, which nobody else ever touches; the sweep folds tallies into ``Usage``, a row
per tenant, day and type. The truth at any moment is the sum of both. Events and deliveries are counted by the
statement that takes them (``ledger.take``). Attempts are not: finding the tenant and the type of each cost more than
recording it (23 us beside 7). Neither table refers to a tenant by foreign key: what is to be billed outlives whom it
is billed to.
"""

from django.db import models

__all__ = ["Tally", "Usage"]


class Tally(models.Model):
    """What one transaction used. Days are those of UTC."""

    tenant_id = models.UUIDField()
    day = models.DateField()
    type = models.TextField()
    events = models.IntegerField()
    deliveries = models.IntegerField()

    class Meta:
        app_label = "delivery"
        verbose_name_plural = "tallies"

    def __str__(self) -> str:
        return f"{self.day} {self.type}"


class Usage(models.Model):
    """What a tenant used of one event type on one day, as far as it is folded."""

    tenant_id = models.UUIDField()
    day = models.DateField()
    type = models.TextField()
    events = models.BigIntegerField()
    deliveries = models.BigIntegerField()

    class Meta:
        app_label = "delivery"
        verbose_name_plural = "usage"
        constraints = [models.UniqueConstraint(fields=["tenant_id", "day", "type"], name="a_day_is_counted_once")]
        indexes = [models.Index(fields=["day"], name="usage_days")]  # reader: usage.report, over all tenants

    def __str__(self) -> str:
        return f"{self.day} {self.type}"
