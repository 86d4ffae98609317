"""Define the counts of periods, from five minutes to days, and the backlog of each endpoint as it was last measured."""

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q, Value
from django.utils import timezone

PLATFORM = UUID(int=0)  # ``scope_id`` of the rows of all tenants together


class Figures(models.Model):
    """The counts of the platform, a tenant or an endpoint in one period.

    Rows of five minutes are kept for hours, those of hours for two months, those of days for years. Hours of endpoints
    are ``HourlyStats``. Periods begin at full ones in UTC. Drains and the fold of usage add to the first two; the
    rollup makes the days. No foreign keys: the figures of what was deleted stay.
    """

    class Scope(models.TextChoices):
        """Say what is counted."""

        PLATFORM = "platform", "Platform"
        TENANT = "tenant", "Tenant"
        ENDPOINT = "endpoint", "Endpoint"

    class Length(models.IntegerChoices):
        """Minutes of a period."""

        FIVE_MINUTES = 5, "Five minutes"
        HOUR = 60, "Hour"
        DAY = 1_440, "Day"

    scope = models.CharField(max_length=8, choices=Scope.choices)
    scope_id = models.UUIDField()
    tenant_id = models.UUIDField(null=True, help_text="The tenant; empty in the rows of the platform.")
    length = models.PositiveSmallIntegerField(choices=Length.choices)
    begins_at = models.DateTimeField()
    events = models.BigIntegerField(default=0, db_default=0, help_text="Events accepted.")
    deliveries = models.BigIntegerField(default=0, db_default=0, help_text="Deliveries created.")
    attempts = models.BigIntegerField(default=0, db_default=0, help_text="Attempts that ended.")
    delivered = models.BigIntegerField(default=0, db_default=0, help_text="Attempts that delivered.")
    rejected = models.BigIntegerField(default=0, db_default=0, help_text="Attempts that the endpoint rejected.")
    dead_letters = models.BigIntegerField(
        default=0, db_default=0, help_text="Deliveries that failed permanently; counted in days only."
    )
    latencies = ArrayField(
        models.BigIntegerField(),
        default=list,
        db_default=Value([], ArrayField(models.BigIntegerField())),
        help_text="Histogram of durations; bounds: sending.attempt_stats.BOUNDS.",
    )
    failures = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        help_text="Failed attempts by HTTP status, or by class of failure.",
    )
    pending = models.BigIntegerField(null=True, help_text="Pending deliveries at the last measurement in the period.")
    open_dead_letters = models.BigIntegerField(null=True, help_text="Open dead letters at that time.")
    rolled_up = models.BooleanField(
        default=False, db_default=False, help_text="The row of the day contains this hour as it is."
    )

    class Meta:
        app_label = "delivery"
        constraints = [
            models.UniqueConstraint(
                fields=["scope_id", "length", "begins_at"], name="unique_figures_per_scope_and_period"
            )
        ]
        indexes = [
            # readers: the measurement of the backlog, the end of the retention
            models.Index(fields=["length", "begins_at"], name="figures_by_period"),
            # reader: the ranking by failures
            models.Index(
                fields=["scope", "length", "begins_at"],
                name="figures_with_failures",
                condition=Q(attempts__gt=models.F("delivered")),
            ),
            # reader: the rollup
            models.Index(
                fields=["begins_at"],
                name="figures_to_roll_up",
                condition=Q(length=60, rolled_up=False) & ~Q(scope="endpoint"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.scope_id}, {self.length} min from {self.begins_at:%Y-%m-%d %H:%M}"


class DeliveryHour(models.Model):
    """The outcome of the deliveries of an endpoint, or of a subscription, that were created in one hour.

    Counted from the rows of deliveries and attempts (``figures.delivery_hours``). No foreign keys: as ``Figures``.
    """

    scope_id = models.UUIDField(help_text="The endpoint or the subscription.")
    tenant_id = models.UUIDField()
    begins_at = models.DateTimeField()
    matched = models.BigIntegerField(help_text="Events that deliveries were created of.")
    created = models.BigIntegerField(help_text="Deliveries created.")
    attempts = models.BigIntegerField(help_text="Attempts of these deliveries.")
    retries = models.BigIntegerField(help_text="Attempts after the first of each delivery.")
    throttled = models.BigIntegerField(help_text="Attempts that the endpoint throttled, such as with 429.")
    failed = models.BigIntegerField(help_text="Attempts that failed.")
    delivered = models.BigIntegerField(help_text="Deliveries that are delivered.")
    dead = models.BigIntegerField(help_text="Deliveries that failed permanently.")
    first_attempts = ArrayField(
        models.BigIntegerField(),
        help_text="Histogram from creation to the first attempt; bounds: delivery_hours.BOUNDS.",
    )
    deliveries = ArrayField(models.BigIntegerField(), help_text="The same, to the end of the first that delivered.")

    class Meta:
        app_label = "delivery"
        constraints = [models.UniqueConstraint(fields=["scope_id", "begins_at"], name="unique_delivery_hour_per_scope")]
        indexes = [
            # reader: the end of the retention, the second count of an hour
            models.Index(fields=["begins_at", "tenant_id"], name="delivery_hour_by_hour")
        ]

    def __str__(self) -> str:
        return f"{self.begins_at:%Y-%m-%d %H}h of {self.scope_id}"


class CountedHour(models.Model):
    """An hour whose deliveries are counted, twice: when it is over, and when their retries have ended."""

    begins_at = models.DateTimeField(primary_key=True)
    passes = models.PositiveSmallIntegerField(default=0, help_text="How often it was counted.")
    due_at = models.DateTimeField(help_text="When it is counted next.")
    after = models.UUIDField(null=True, help_text="The last tenant that is counted; empty: none yet.")

    class Meta:
        app_label = "delivery"
        indexes = [
            models.Index(
                fields=["due_at"], name="delivery_hour_to_count", condition=Q(passes__lt=2)
            )  # reader: the count
        ]

    def __str__(self) -> str:
        return f"count of {self.begins_at:%Y-%m-%d %H}h"


class UsageHour(models.Model):
    """A full hour of which the usage is published; written in the transaction that publishes its events."""

    begins_at = models.DateTimeField(primary_key=True)
    published_at = models.DateTimeField(default=timezone.now)
    tenants = models.PositiveIntegerField(default=0, help_text="Tenants of which usage was published.")

    class Meta:
        app_label = "delivery"

    def __str__(self) -> str:
        return f"usage of {self.begins_at:%Y-%m-%d %H}h"


class Backlog(models.Model):
    """Count what waits for an endpoint, as it was last measured; one row more, PLATFORM, has the sums of all.

    Only endpoints with pending deliveries or open dead letters have a row. The table is not logged (``UNLOGGED``): it
    is measured anew within a minute.
    """

    scope_id = models.UUIDField(primary_key=True)
    tenant_id = models.UUIDField(null=True)
    measured_at = models.DateTimeField()
    pending = models.BigIntegerField(help_text="Pending deliveries, those that wait for a retry included.")
    due = models.BigIntegerField(help_text="Pending deliveries that are due, of active endpoints.")
    oldest_due_at = models.DateTimeField(null=True, help_text="When the first of those was due; empty: none is.")
    open_dead_letters = models.BigIntegerField()
    causes = models.JSONField(default=dict, help_text="Open dead letters by cause.")
    seconds = models.FloatField(default=0.0, help_text="How long the measurement took; in the row of all.")

    class Meta:
        app_label = "delivery"
        verbose_name_plural = "backlog"

    def __str__(self) -> str:
        return f"backlog of {self.scope_id}"
