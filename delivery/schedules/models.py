"""Store schedules, the queue of each tenant that has some, and events that wait for their time of delivery."""

from typing import Any

import orjson
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from webhooks.kit.rows import Row, uid_format


class Schedule(Row):
    """An event that is published at the times of an expression.

    ``due_at`` is when the occurrence ``next_at`` is published: later, if there is a flexible window or the occurrence
    is tried again. Both are empty unless the schedule is active. The event of an occurrence and its next ``next_at``
    are committed together.
    """

    class State(models.TextChoices):
        """Only an active schedule has a next occurrence."""

        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"
        COMPLETED = "completed", "Completed: there are no more occurrences"

    class AfterCompletion(models.TextChoices):
        """Action after the last occurrence."""

        NONE = "none", "Keep it as completed"
        DELETE = "delete", "Delete it"

    class CatchUp(models.TextChoices):
        """Rule for occurrences that were missed while nothing ran."""

        LATEST = "latest", "The latest one"
        ALL = "all", "All, in order"
        NONE = "none", "None"

    MAX_WINDOW = 1_440  # minutes
    prefix = "sch"
    payload_columns = ("template",)  # reader: webhooks.audit.payload_columns
    tenant = models.ForeignKey(
        "subscriptions.Tenant", models.CASCADE, related_name="schedules", db_constraint=False, db_index=False
    )
    uid = models.CharField(
        "external ID", max_length=256, null=True, blank=True, validators=[uid_format], help_text="Your own ID."
    )
    group = models.CharField(
        max_length=64,
        default="default",
        validators=[uid_format],
        help_text="Name by which lists select schedules. Up to 64 letters, digits, `.`, `_` and `-`.",
    )
    description = models.CharField(max_length=512, blank=True, default="", help_text="For your own use.")
    expression = models.CharField(
        max_length=256,
        help_text="When: `at(2030-12-24T18:00:00)`, `rate(5 minutes)`, `cron(0 10 ? * MON-FRI *)` (six fields, as "
        "Amazon EventBridge Scheduler), `0 10 * * 1-5` (five fields, as a crontab) or `2030-12-24T18:00:00Z`.",
    )
    timezone = models.CharField(
        max_length=64, default="UTC", help_text="IANA time zone of the expression, such as `Europe/Berlin`."
    )
    start_at = models.DateTimeField(null=True, blank=True, help_text="No occurrence before; a rate begins then.")
    end_at = models.DateTimeField(null=True, blank=True, help_text="No occurrence after.")
    flexible_window_minutes = models.PositiveSmallIntegerField(
        default=0,
        validators=[MaxValueValidator(MAX_WINDOW)],
        help_text="Minutes over which schedules of the same time are spread; each keeps its place. 0: on time.",
    )
    state = models.CharField(
        max_length=9, choices=State.choices, default=State.ACTIVE, help_text="Only active schedules publish."
    )
    action_after_completion = models.CharField(
        max_length=6,
        choices=AfterCompletion.choices,
        default=AfterCompletion.NONE,
        help_text="What becomes of the schedule after its last occurrence.",
    )
    catch_up = models.CharField(
        max_length=6,
        choices=CatchUp.choices,
        default=CatchUp.LATEST,
        help_text="Which occurrences are published that were missed by more than five minutes while nothing ran.",
    )
    template = models.TextField(help_text="JSON of the event in the plain form, with placeholders.")
    next_at = models.DateTimeField(null=True, editable=False, help_text="The next occurrence; null: none.")
    due_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When that occurrence is published: later by its place in the flexible window, or by a retry.",
    )
    last_at = models.DateTimeField(null=True, editable=False, help_text="The latest occurrence that has passed.")
    occurrences = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Events that were published at occurrences."
    )
    failures = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Occurrences whose event was not accepted."
    )
    last_error = models.CharField(
        max_length=1024,
        blank=True,
        default="",
        editable=False,
        help_text="Why the event of the latest occurrence was not accepted; empty: it was.",
    )
    updated_at = models.DateTimeField(default=now, editable=False, help_text="When it was last changed.")

    class Meta:
        app_label = "delivery"
        constraints = [models.UniqueConstraint(fields=["tenant", "uid"], name="unique_schedule_uid_per_tenant")]
        indexes = [
            models.Index(fields=["tenant", "id"], name="schedule_by_tenant"),  # readers: the list, the plan's limit
            # reader: the schedule task, from the low-water mark of the tenant's queue on
            models.Index(fields=["tenant", "due_at"], name="schedule_due", condition=Q(due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.uid or self.public_id

    @property
    def event(self) -> dict[str, Any]:
        """The template of the event, in the plain form."""
        parsed: dict[str, Any] = orjson.loads(self.template)
        return parsed


class ScheduleQueue(models.Model):
    """The schedules of one tenant as a queue, so that tenants take turns.

    A row is locked by everything that makes schedules of the tenant due, and by the one worker that publishes them.
    ``due_at`` is when the tenant has its turn: when its first schedule is due, or later, if others wait. No active
    schedule of the tenant is due before ``low_water_mark``.
    """

    tenant = models.OneToOneField(
        "subscriptions.Tenant", models.CASCADE, primary_key=True, related_name="+", db_constraint=False
    )
    due_at = models.DateTimeField(null=True)
    low_water_mark = models.DateTimeField(null=True)

    class Meta:
        app_label = "delivery"
        indexes = [
            # readers: the schedule of the tasks, the schedule task
            models.Index(fields=["due_at"], name="schedule_queue_due", condition=Q(due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"schedules of {self.tenant_id}"


class DelayedEvent(models.Model):
    """The time of delivery of an event that was published with one; until then it has no deliveries."""

    class State(models.TextChoices):
        """A waiting event is released when its time comes, unless it is cancelled before."""

        WAITING = "waiting", "Waiting for its time"
        RELEASED = "released", "Released: its time has come"
        CANCELLED = "cancelled", "Cancelled before its time"

    event = models.OneToOneField(
        "delivery.Event", models.CASCADE, primary_key=True, related_name="delay", db_constraint=False
    )
    tenant = models.ForeignKey(
        "subscriptions.Tenant", models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    deliver_at = models.DateTimeField()
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.TextField(null=True, help_text="The API key or the admin user that cancelled it.")

    class Meta:
        app_label = "delivery"
        indexes = [
            # readers: the schedule of the tasks, release_due
            models.Index(fields=["deliver_at"], name="delayed_event_due", condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"{self.state} until {self.deliver_at}"
