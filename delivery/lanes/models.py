"""Define the lane of an endpoint, and the attempts of each of its hours."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q, Value

from subscriptions.models import Endpoint, Tenant
from webhooks.wire import ids


class HourlyStats(models.Model):
    """The attempts of one hour to one endpoint, counted as they end (``sending.attempt_stats``)."""

    endpoint = models.ForeignKey(
        Endpoint, models.CASCADE, related_name="hourly_stats", db_constraint=False, db_index=False
    )
    begins_at = models.DateTimeField()
    attempts = models.PositiveIntegerField()
    delivered = models.PositiveIntegerField()
    rejected = models.PositiveIntegerField(default=0)
    superseded = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Deliveries that were superseded in this hour; counted in their statement."
    )
    latencies = ArrayField(
        models.PositiveIntegerField(), help_text="Histogram of durations; bounds: sending.attempt_stats.BOUNDS."
    )
    failures = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        help_text="Failed attempts by HTTP status, or by class of failure.",
    )
    rolled_up = models.BooleanField(
        default=False, db_default=False, help_text="The figures of the day contain this hour as it is."
    )
    last_error = models.CharField(max_length=20, blank=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_failed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "hourly stats"
        constraints = [models.UniqueConstraint(fields=["endpoint", "begins_at"], name="unique_hour_per_endpoint")]
        indexes = [
            models.Index(fields=["begins_at"], name="hourly_stats_by_hour"),  # reader: the sweep deletes old ones
            # reader: the ranking by failures
            models.Index(
                fields=["begins_at"], name="hourly_stats_with_failures", condition=Q(attempts__gt=F("delivered"))
            ),
            # reader: the rollup
            models.Index(fields=["begins_at"], name="hourly_stats_to_roll_up", condition=Q(rolled_up=False)),
        ]

    def __str__(self) -> str:
        return f"{self.begins_at:%Y-%m-%d %H}h of {self.endpoint_id}"


class Lane(models.Model):
    """The queue of one endpoint, leased by one drain at a time; state that must outlive the drain is stored here.

    ``due_at`` is when the lane can be leased: empty if no delivery is known to be pending; with an ``owner``, the end
    of its lease, so that the lane of a crashed drain becomes due by itself.
    """

    endpoint = models.OneToOneField(Endpoint, models.CASCADE, primary_key=True, related_name="lane")
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_constraint=False, db_index=False)
    due_at = models.DateTimeField(null=True)
    owner = models.UUIDField(null=True, help_text="The drain that leases it.")
    publishers_claim = models.BooleanField(
        db_default=False, help_text="Publishing an event claims its delivery for the owner, which sends it at once."
    )
    endpoint_inactive = models.BooleanField(
        default=False, help_text="It has pending deliveries, but its endpoint is paused or disabled."
    )
    is_pulled = models.BooleanField(
        default=False, db_default=False, help_text="No drain leases it: consumers pull its deliveries."
    )
    pulled_at = models.DateTimeField(
        null=True, help_text="When a consumer last asked for its deliveries, up to ten seconds late."
    )
    low_water_mark = models.DateTimeField(null=True, help_text="No pending delivery is due before it.")
    next_slot_at = models.DateTimeField(
        null=True, help_text="Clock of the rate limit (GCRA): when the next attempt may start."
    )
    concurrency = models.PositiveSmallIntegerField(
        null=True, help_text="Attempts the endpoint can take at once, as measured; empty: not measured yet."
    )
    failures = models.PositiveIntegerField(default=0, help_text="Failed attempts in a row.")
    failing_since = models.DateTimeField(null=True, help_text="When the first of them failed.")
    open_count = models.PositiveSmallIntegerField(
        default=0, help_text="Times the circuit breaker opened since the last success."
    )
    circuit_open_until = models.DateTimeField(
        null=True, help_text="The circuit breaker is open until then; then one attempt probes the endpoint."
    )
    wait_until = models.DateTimeField(
        null=True, help_text="Nothing is sent before, as the endpoint asked with Retry-After; empty: it did not."
    )
    wait_since = models.DateTimeField(null=True, help_text="When it asked for that.")
    wait_status = models.PositiveSmallIntegerField(null=True, help_text="HTTP status of that response.")
    failing_days = models.PositiveSmallIntegerField(
        default=0, help_text="Failures that came a day or more after the one counted before, since failing_since."
    )
    failing_day_at = models.DateTimeField(null=True, help_text="When the latest of these failed, or the first failure.")
    warnings_sent = models.PositiveSmallIntegerField(
        default=0, help_text="Warnings about the failures that were published so far."
    )
    warned_at = models.DateTimeField(null=True, help_text="When the latest of them was published.")
    rejecting_since = models.DateTimeField(
        null=True, help_text="Since when the endpoint rejects most deliveries; empty: it does not."
    )
    rejecting_warned_at = models.DateTimeField(null=True, help_text="When that was last published.")
    recovering_since = models.DateTimeField(
        null=True,
        help_text="Retries of attempts since then are being made due, as the endpoint works again; empty: no.",
    )
    recovered_until = models.DateTimeField(
        null=True, help_text="Retries of attempts up to then were made due, or are being made due."
    )

    class Meta:
        verbose_name = "queue"  # on the admin's pages
        indexes = [
            models.Index(fields=["due_at"], name="lane_due", condition=Q(due_at__isnull=False)),  # reader: lease_lanes
            # reader: lease_lanes, walked from one tenant to the next
            models.Index(fields=["tenant", "due_at"], name="lane_due_by_tenant", condition=Q(due_at__isnull=False)),
            # reader: mark_lanes_due. With so much in the condition that no other statement is planned with it.
            models.Index(
                fields=["endpoint"],
                name="lane_free",
                condition=Q(owner__isnull=True, endpoint_inactive=False, is_pulled=False),
            ),
            # readers: resume_lanes, end_expired
            models.Index(fields=["endpoint"], name="lane_endpoint_inactive", condition=Q(endpoint_inactive=True)),
            # reader: end_expired
            models.Index(fields=["endpoint"], name="lane_pulled", condition=Q(is_pulled=True)),
            # reader: retry_changed_endpoints
            models.Index(
                fields=["endpoint"],
                name="lane_failing",
                condition=Q(failing_since__isnull=False) | Q(wait_since__isnull=False),
            ),
            # reader: end_rejecting
            models.Index(fields=["endpoint"], name="lane_rejecting", condition=Q(rejecting_since__isnull=False)),
        ]

    def __str__(self) -> str:
        endpoint = self._state.fields_cache.get("endpoint")  # a name is worth no query
        return f"queue of {endpoint or ids.public(Endpoint.prefix, self.endpoint_id)}"
