"""Define dead letters, the replays that send deliveries again, and the jobs that discard or acknowledge many."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from subscriptions.models import Endpoint, Row, Tenant
from webhooks.kit.jobs.job_row import JobRow

OPEN = Q(closed_at=None, acknowledged_at=None)  # dead letters that are counted as open


class Replay(JobRow):
    """A request to send again: a scope, a filter and a rate; carried out in slices that a crash does not repeat.

    ``total`` deliveries matched when it was created; ``cursor`` is the last row (a dead letter, or an event) that a
    slice looked at. If that is an event that is not done, ``route_cursor`` is its last subscription that is.
    ``archive`` is the object of the archive that it is in; the object is done if there is no ``cursor``.
    """

    class Scope(models.TextChoices):
        """The kind of rows that the filter selects."""

        DEAD_LETTERS = "dead_letters", "Open dead letters"
        EVENTS = "events", "Past events, whatever the state of their deliveries"
        MISSING = "missing", "Past events that have no delivery to the endpoint"
        ARCHIVED = "archived", "Archived events, which retention has deleted"

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
    archive = models.UUIDField(
        null=True, editable=False, help_text="The object of the archive that it is in; empty: none yet."
    )
    error = models.TextField(
        blank=True, default="", db_default="", help_text="Why it ended before it was done; empty: it did not."
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
    """A delivery that failed permanently, with the cause; it can be replayed until it is closed (``closed_at``).

    Replaying and discarding close it. An acknowledged one is not closed, but is not counted as open any more.
    """

    class State(models.TextChoices):
        """List what can be done about it."""

        OPEN = "open", "Open"
        ACKNOWLEDGED = "acknowledged", "Acknowledged"
        REPLAYED = "replayed", "Replayed"
        DISCARDED = "discarded", "Discarded"

    class Cause(models.TextChoices):
        """Why the delivery will not be attempted again."""

        EXHAUSTED = "exhausted", "Retries exhausted"
        RESPONDED_410 = "responded_410", "The endpoint responded 410 Gone"
        EXPIRED = "expired", "Expired: the endpoint was paused or disabled for seven days"
        CRASHED_WORKER = "crashed_worker", "Crashed its worker repeatedly"
        TRANSFORMATION_FAILED = "transformation_failed", "Transformation failed"
        BODY_NOT_OBJECT = "body_not_object", "The credential has no place in the body"
        ENDPOINT_DELETED = "endpoint_deleted", "The endpoint was deleted"
        SET_ASIDE = "set_aside", "Set aside on request"

    OPEN: ClassVar[Q] = OPEN

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
    closed_at = models.DateTimeField(null=True, help_text="When it was replayed or discarded; empty: not yet.")
    closed_by = models.CharField(
        max_length=256, blank=True, default="", help_text="The API key or the admin user that replayed or discarded it."
    )
    is_discarded = models.BooleanField(
        default=False, db_default=False, help_text="Whether it was closed without sending anything again."
    )
    acknowledged_at = models.DateTimeField(
        null=True, help_text="When it was acknowledged: it is not counted as open any more; empty: not yet."
    )
    acknowledged_by = models.CharField(
        max_length=256, blank=True, default="", db_default="", help_text="The API key or the admin user that did."
    )
    note = models.TextField(
        blank=True, default="", db_default="", help_text="Why it was acknowledged or discarded, if that was said."
    )
    replay = models.ForeignKey(Replay, models.SET_NULL, null=True, related_name="dead_letters", db_constraint=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["delivery"], condition=Q(closed_at=None), name="unique_open_dead_letter_per_delivery"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "id"], name="dead_letter_by_tenant"),  # reader: the list of a tenant
            models.Index(fields=["endpoint", "id"], name="dead_letter_by_endpoint"),  # reader: the list of an endpoint
            models.Index(fields=["delivery", "id"], name="dead_letter_by_delivery"),  # readers: a timeline, retention
            # readers: the alert rules about dead letters, the dashboard
            models.Index(fields=["tenant", "id"], name="dead_letter_open", condition=OPEN),
            # readers: replays, and jobs that discard or acknowledge
            models.Index(fields=["tenant", "id"], name="dead_letter_replayable", condition=Q(closed_at=None)),
            # reader: the measurement of the backlog
            models.Index(fields=["endpoint", "cause"], name="dead_letter_open_by_endpoint", condition=OPEN),
        ]

    def __str__(self) -> str:
        return f"dead letter {self.public_id}"

    @property
    def state(self) -> str:
        """Return what was done about it, one of State."""
        if self.closed_at is not None:
            return self.State.DISCARDED if self.is_discarded else self.State.REPLAYED
        return self.State.OPEN if self.acknowledged_at is None else self.State.ACKNOWLEDGED

    @property
    def is_rendered_again(self) -> bool:
        """Return whether a replay sends a body that is rendered by the subscriptions as they are then."""
        return self.cause in (self.Cause.TRANSFORMATION_FAILED, self.Cause.BODY_NOT_OBJECT)

    @property
    def quotes_payload(self) -> bool:
        """Return whether the reason may quote the payload: it is the error of a transformer."""
        return self.cause == self.Cause.TRANSFORMATION_FAILED and bool(self.reason)


class DeadLetterJob(JobRow):
    """A request to discard or acknowledge the dead letters of a filter; carried out in slices.

    ``cursor`` is the last dead letter that a slice looked at.
    """

    class Operation(models.TextChoices):
        """List what a job can do."""

        DISCARD = "discard", "Discard"
        ACKNOWLEDGE = "acknowledge", "Acknowledge"

    prefix = "dlj"
    estimated = False  # shown by the admin's page of a job
    tenant = models.ForeignKey(
        Tenant,
        models.CASCADE,
        null=True,
        related_name="dead_letter_jobs",
        db_index=False,
        help_text="Empty: all tenants (operators only).",
    )
    operation = models.CharField(max_length=11, choices=Operation.choices, help_text="What is done with them.")
    filter = models.JSONField(help_text="Conditions, as of a replay of dead letters.")
    note = models.TextField(blank=True, default="", help_text="Why, as it is stored with each dead letter.")
    rate = models.PositiveIntegerField(default=10_000, help_text="Dead letters per second, at most.")
    total = models.PositiveIntegerField(default=0, help_text="Dead letters that matched when it was created.")
    changed = models.PositiveIntegerField(default=0, help_text="Dead letters discarded or acknowledged so far.")
    cursor = models.UUIDField(null=True, editable=False, help_text="The last row that a slice looked at.")

    class Meta:
        indexes = [
            # reader: the list of a tenant
            models.Index(fields=["tenant", "id"], name="dead_letter_job_by_tenant"),
            # reader: run_slices
            models.Index(fields=["id"], name="dead_letter_job_running", condition=Q(state="running")),
        ]

    def __str__(self) -> str:
        return f"dead letter job {self.public_id}"

    @property
    def done(self) -> int:
        """Return how many dead letters it has changed."""
        return self.changed
