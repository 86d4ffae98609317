"""Define dead letters, and the replays that send deliveries again."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from subscriptions.models import Endpoint, Row, Tenant
from webhooks.kit.jobs.job_row import JobRow


class Replay(JobRow):
    """A request to send again: a scope, a filter and a rate; carried out in slices that a crash does not repeat.

    ``total`` deliveries matched when it was created; ``cursor`` is the last row (a dead letter, or an event) that a
    slice looked at. If that is an event that is not done, ``route_cursor`` is its last subscription that is.
    """

    class Scope(models.TextChoices):
        """The kind of rows that the filter selects."""

        DEAD_LETTERS = "dead_letters", "Open dead letters"
        EVENTS = "events", "Past events, whatever the state of their deliveries"
        MISSING = "missing", "Past events that have no delivery to the endpoint"

    prefix = "rpl"
    tenant = models.ForeignKey(
        Tenant,
        models.CASCADE,
        null=True,
        related_name="replays",
        db_index=False,
        help_text="Empty: all tenants (operators only).",
    )
    scope = models.CharField(
        max_length=12, choices=Scope.choices, default=Scope.DEAD_LETTERS, help_text="What it selects."
    )
    filter = models.JSONField(help_text="Conditions: endpoint, cause, type, source, subject, since, until, ids, force.")
    rate = models.PositiveIntegerField(default=100, help_text="Deliveries re-queued per second, at most.")
    total = models.PositiveIntegerField(default=0, help_text="Deliveries that matched when it was created.")
    estimated = models.BooleanField(default=False, help_text="The total is extrapolated from the first events.")
    replayed = models.PositiveIntegerField(default=0, help_text="Deliveries re-queued so far.")
    cursor = models.UUIDField(null=True, editable=False, help_text="The last row that a slice looked at.")
    route_cursor = models.UUIDField(
        null=True, editable=False, help_text="The last subscription done of the event at the cursor; empty: all are."
    )

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "id"], name="replay_by_tenant"),  # reader: the list of a tenant
            models.Index(fields=["id"], name="replay_running", condition=Q(state="running")),  # reader: run_slices
        ]

    def __str__(self) -> str:
        return f"replay {self.public_id}"

    @property
    def done(self) -> int:
        """Return how many deliveries it has re-queued."""
        return self.replayed


class DeadLetter(Row):
    """A delivery that failed permanently, with the cause; open until it is replayed (``replayed_at``)."""

    class Cause(models.TextChoices):
        """Why the delivery will not be attempted again."""

        EXHAUSTED = "exhausted", "Retries exhausted"
        RESPONDED_410 = "responded_410", "The endpoint responded 410 Gone"
        EXPIRED = "expired", "Expired: the endpoint was paused or disabled for seven days"
        CRASHED_WORKER = "crashed_worker", "Crashed its worker repeatedly"
        TRANSFORMATION_FAILED = "transformation_failed", "Transformation failed"
        ENDPOINT_DELETED = "endpoint_deleted", "The endpoint was deleted"
        SET_ASIDE = "set_aside", "Set aside on request"

    prefix = "dl"
    delivery = models.ForeignKey(
        "delivery.Delivery", models.CASCADE, related_name="dead_letters", db_constraint=False, db_index=False
    )
    endpoint = models.ForeignKey(
        Endpoint, models.CASCADE, related_name="dead_letters", db_constraint=False, db_index=False
    )
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="dead_letters", db_constraint=False, db_index=False)
    cause = models.CharField(max_length=24, choices=Cause.choices, help_text="Why the delivery failed permanently.")
    reason = models.TextField(blank=True, help_text="Details of the cause, if there are any.")
    last_status = models.PositiveSmallIntegerField(
        null=True, help_text="HTTP status of the latest attempt; empty: no response."
    )
    last_error = models.CharField(
        max_length=20, blank=True, default="", help_text="Class of the latest failure, such as timeout; empty: none."
    )
    attempts = models.PositiveSmallIntegerField()
    failed_at = models.DateTimeField(default=timezone.now, help_text="When the delivery failed permanently.")
    replayed_at = models.DateTimeField(null=True, help_text="When it was sent again; empty: not yet.")
    replayed_by = models.CharField(
        max_length=256, blank=True, default="", help_text="The API key or the admin user that replayed it."
    )
    replay = models.ForeignKey(Replay, models.SET_NULL, null=True, related_name="dead_letters", db_constraint=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["delivery"], condition=Q(replayed_at=None), name="unique_open_dead_letter_per_delivery"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "id"], name="dead_letter_by_tenant"),  # reader: the list of a tenant
            models.Index(fields=["endpoint", "id"], name="dead_letter_by_endpoint"),  # reader: the list of an endpoint
            models.Index(fields=["delivery", "id"], name="dead_letter_by_delivery"),  # readers: a timeline, retention
            # reader: the alert rules about dead letters
            models.Index(fields=["tenant", "id"], name="dead_letter_open", condition=Q(replayed_at=None)),
        ]

    def __str__(self) -> str:
        return f"dead letter {self.public_id}"
