"""Usage counters: increments written by the transactions that are counted, and daily totals.

Each transaction inserts ``UsageIncrement`` rows of its own, so that no two transactions wait for the same counter row;
a periodic task folds increments into ``Usage``. The exact usage is always the sum of both. Attempts are not counted:
finding the tenant and type of each costs more than recording it (23 us against 7). Neither table has a foreign key to
the tenant, because usage is billed after a tenant is deleted.
"""

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone


class UsageIncrement(models.Model):
    """The usage of one transaction, by type; days are in UTC."""

    tenant_id = models.UUIDField()
    day = models.DateField()
    type = models.TextField()
    events = models.IntegerField()
    deliveries = models.IntegerField()
    counted_at = models.DateTimeField(
        default=timezone.now, db_default=Now(), help_text="When the transaction began: the time of the figures."
    )

    class Meta:
        app_label = "delivery"

    def __str__(self) -> str:
        return f"{self.day} {self.type}"


class Usage(models.Model):
    """The folded usage of one tenant, type and day (UTC)."""

    tenant_id = models.UUIDField()
    day = models.DateField()
    type = models.TextField()
    events = models.BigIntegerField()
    deliveries = models.BigIntegerField()
    last_event_at = models.DateTimeField(
        null=True, help_text="When the latest event was counted, some seconds after it was published; empty: none was."
    )

    class Meta:
        app_label = "delivery"
        verbose_name_plural = "usage"
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "day", "type"], name="unique_usage_per_tenant_day_and_type")
        ]
        indexes = [models.Index(fields=["day"], name="usage_by_day")]  # reader: the usage report over all tenants

    def __str__(self) -> str:
        return f"{self.day} {self.type}"
