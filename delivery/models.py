"""The provider's tables: events, deliveries, attempts, lanes, dead letters, replays, statistics.

A pending delivery is the work queue: ``Delivery.state`` says who acts next (``pending``: the next drain, ``sending``:
the drain that has claimed it, other states: none). Partial indexes contain unfinished work only, and a comment
names the reader of each.

The large tables have no foreign keys in the database (``db_constraint=False``): related rows are written by one
statement, no row is deleted under a live delivery (endpoints are marked as deleted, retention deletes attempts before
deliveries before events), and checking a foreign key costs more than the insert itself.
"""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from delivery.alerts.models import Alert, AlertAddress, AlertChannel, AlertMessage, AlertRule
from delivery.archiving.models import Archive, ArchiveStatus
from delivery.broadcasting.models import Broadcast
from delivery.event_values import EventValue
from delivery.fan_out.models import DeferredFanOut, PendingShare
from delivery.figures.models import PLATFORM, Backlog, CountedHour, DeliveryHour, Figures, UsageHour
from delivery.lanes.models import HourlyStats, Lane
from delivery.lifecycle.models import Erasure
from delivery.load.models import DrainReport, Heartbeat, LoadMinute, PublisherReport
from delivery.operational.models import PendingResult
from delivery.replaying.models import DeadLetter, DeadLetterJob, Replay
from delivery.schedules.models import DelayedEvent, Schedule, ScheduleQueue
from delivery.usage_models import Usage, UsageIncrement
from subscriptions.models import Endpoint, Row, Tenant

__all__ = [
    "PLATFORM",
    "Alert",
    "AlertAddress",
    "AlertChannel",
    "AlertMessage",
    "AlertRule",
    "Archive",
    "ArchiveStatus",
    "Attempt",
    "Backlog",
    "Broadcast",
    "CountedHour",
    "DeadLetter",
    "DeadLetterJob",
    "DeferredFanOut",
    "DelayedEvent",
    "Delivery",
    "DeliveryHour",
    "DrainReport",
    "Erasure",
    "Event",
    "EventValue",
    "Figures",
    "Heartbeat",
    "HourlyStats",
    "Lane",
    "LoadMinute",
    "PendingResult",
    "PendingShare",
    "PublisherReport",
    "Replay",
    "Schedule",
    "ScheduleQueue",
    "Usage",
    "UsageHour",
    "UsageIncrement",
]

STOPPED = Q(state__in=["dead", "cancelled", "superseded"])


class Event(Row):
    """A published CloudEvent; ``body`` is its structured JSON, byte for byte as it is signed and sent."""

    class Routing(models.TextChoices):
        """Whether the deliveries of an event are all created."""

        ROUTED = "routed", "Routed: its deliveries are created"
        DEFERRED = "deferred", "Deferred: a worker creates its deliveries"
        SCHEDULED = "scheduled", "Scheduled: its deliveries are created at deliver_at"
        CANCELLED = "cancelled", "Cancelled before deliver_at: it has no deliveries"

    prefix = "evt"
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="events", db_constraint=False, db_index=False)
    source = models.TextField(help_text="Source of the CloudEvent.")
    event_id = models.TextField(help_text="The CloudEvent's own id; unique together with the source.")
    type = models.TextField(help_text="Type of the event, such as order.paid.")
    subject = models.TextField(null=True, blank=True, help_text="What the event is about, such as an order's id.")
    digest = models.BinaryField(help_text="SHA-256 of the published content, to tell a repeat from a conflict.")
    body = models.BinaryField()
    original = models.BinaryField(
        null=True, help_text="The event before it was masked, encrypted; empty: no endpoint receives it unmasked."
    )
    traceparent = models.CharField(
        max_length=55, null=True, help_text="Trace context (W3C) that it was published in; empty: none."
    )
    payload_deleted_at = models.DateTimeField(null=True, help_text="When the data was erased; empty: it was not.")
    payload_deleted_by = models.TextField(null=True)
    about = models.UUIDField(
        null=True, help_text="The event whose data a record of its delivery repeats, and with which that is erased."
    )
    grant_id = models.UUIDField(
        null=True, help_text="The grant by which another tenant has shared it; empty: it is own."
    )
    warnings = models.JSONField(null=True, help_text="Violations of the event type's schema; empty: none.")

    class Meta:
        permissions = [("view_payload", "Can view payloads of events, deliveries and attempts")]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "event_id", "source"], name="unique_event_id_per_tenant_and_source"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "id"], name="event_by_tenant"),  # readers: a tenant's list, retention
            # reader: erasures.run_slices
            models.Index(
                fields=["tenant", "subject", "id"], name="event_by_subject", condition=Q(subject__isnull=False)
            ),
            # readers: erasing an event's data, explanations
            models.Index(fields=["about"], name="event_about", condition=Q(about__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"event {self.public_id}: {self.type}"

    @property
    def routing(self) -> str:
        """Whether its deliveries are all created; queries unless ``deferred_fan_out`` and ``delay`` were read too."""
        delay: DelayedEvent | None = getattr(self, "delay", None)
        if delay is not None and delay.state != DelayedEvent.State.RELEASED:
            is_waiting = delay.state == DelayedEvent.State.WAITING
            return self.Routing.SCHEDULED if is_waiting else self.Routing.CANCELLED
        return self.Routing.DEFERRED if hasattr(self, "deferred_fan_out") else self.Routing.ROUTED


class Delivery(Row):
    """One event to be delivered to one endpoint."""

    class State(models.TextChoices):
        """Pending and sending are unfinished; the others are final until a replay."""

        PENDING = "pending", "Pending"
        SENDING = "sending", "Sending"
        DELIVERED = "delivered", "Delivered"
        DEAD = "dead", "Dead"
        CANCELLED = "cancelled", "Cancelled"
        SUPERSEDED = "superseded", "Superseded by a newer delivery of its key"

    class Form(models.TextChoices):
        """List what a delivery's own body may be where it is neither rendered nor a reference in plain text."""

        EVENT = "event", "A CloudEvent, masked for the endpoint"
        ENCRYPTED_EVENT = "encrypted_event", "A CloudEvent that is not masked, encrypted"
        ENCRYPTED_BODY = "encrypted_body", "Rendered from an event that is not masked, encrypted"

    prefix = "dlv"
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="deliveries", db_constraint=False, db_index=False)
    event = models.ForeignKey(Event, models.CASCADE, related_name="deliveries", db_constraint=False, db_index=False)
    endpoint = models.ForeignKey(
        Endpoint, models.CASCADE, related_name="deliveries", db_constraint=False, db_index=False
    )
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.PENDING, help_text="Pending and sending are unfinished."
    )
    next_attempt_at = models.DateTimeField(
        null=True, default=timezone.now, help_text="When the next attempt is due; empty when finished."
    )
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Attempts made, including those before replays.")
    step = models.PositiveSmallIntegerField(
        default=0, help_text="Position in the retry plan; a replay starts from the beginning."
    )
    claims = models.PositiveSmallIntegerField(default=0, help_text="Claims since an attempt was last settled.")
    token = models.UUIDField(null=True, help_text="Token of the current claim; settling requires it.")
    claimed_until = models.DateTimeField(null=True, help_text="When the claim expires and the delivery is recovered.")
    consumer = models.UUIDField(
        null=True, help_text="Session of the consumer that it was last handed out to; empty: it is sent, not pulled."
    )
    started_at = models.DateTimeField(
        default=timezone.now, help_text="When it was created or last replayed. Retention and replays compare it."
    )
    last_status = models.PositiveSmallIntegerField(
        null=True, help_text="HTTP status of the latest attempt; empty: no response."
    )
    last_error = models.CharField(
        max_length=20, blank=True, default="", help_text="Class of the latest failure, such as timeout; empty: none."
    )
    order_key = models.TextField(
        null=True, help_text="Deliveries with the same key are sent one after the other; empty: in any order."
    )
    body = models.BinaryField(
        null=True, help_text="Its own body (transformed, or a reference); empty: the event's body is sent."
    )
    content_type = models.TextField(
        null=True, help_text="Content type of its own body; empty: it follows from the body."
    )
    form = models.CharField(
        max_length=16,
        choices=Form.choices,
        null=True,
        help_text="What its own body is; empty: rendered by a transformer, or a reference.",
    )
    replay = models.ForeignKey(
        "Replay", models.SET_NULL, null=True, related_name="deliveries", db_constraint=False, db_index=False
    )
    cancelled_at = models.DateTimeField(null=True, help_text="When it was cancelled.")
    cancelled_by = models.TextField(null=True, help_text="The API key or the admin user that cancelled it.")
    superseded_by = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        related_name="superseded",
        db_constraint=False,
        db_index=False,
        help_text="The newer delivery of its key that is sent in its place.",
    )
    superseded_at = models.DateTimeField(null=True, help_text="When a newer delivery of its key took its place.")
    supersedes = models.PositiveIntegerField(
        null=True, help_text="Older deliveries of its key that were not sent because of it; empty: none."
    )

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["event", "endpoint"], name="unique_delivery_per_event_and_endpoint")
        ]
        indexes = [
            # readers: claim_deliveries, recheck_due
            models.Index(fields=["endpoint", "next_attempt_at"], name="delivery_due", condition=Q(state="pending")),
            # readers: claim_deliveries in ordered lanes, blocking_deliveries
            models.Index(
                fields=["endpoint", "order_key", "created_at", "id"],
                name="delivery_by_order_key",
                condition=Q(order_key__isnull=False, state__in=["pending", "sending"]),
            ),
            # reader: void_claims
            models.Index(fields=["claimed_until"], name="delivery_claimed", condition=Q(state="sending")),
            # readers: pulling, which counts, releases and voids what was handed out
            models.Index(
                fields=["endpoint", "consumer", "token"],
                name="delivery_handed_out",
                condition=Q(consumer__isnull=False, state="sending"),
            ),
            # readers: the list of a tenant, the list of an endpoint
            models.Index(fields=["tenant", "id"], name="delivery_by_tenant"),
            models.Index(fields=["endpoint", "id"], name="delivery_by_endpoint"),
            # readers: the same lists, filtered by the states dead, cancelled and superseded
            models.Index(fields=["tenant", "state", "id"], name="delivery_stopped_by_tenant", condition=STOPPED),
            models.Index(fields=["endpoint", "state", "id"], name="delivery_stopped_by_endpoint", condition=STOPPED),
            # readers: find_superseded, the list of what a delivery supersedes
            models.Index(
                fields=["superseded_by"], name="delivery_by_superseding", condition=Q(superseded_by__isnull=False)
            ),
            # readers: what became of the deliveries of a replay, and the list of those in one state
            models.Index(
                fields=["replay", "state", "id"], name="delivery_by_replay", condition=Q(replay__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"delivery {self.public_id}"


class Attempt(Row):
    """One request and its result, recorded when it ended; ``error`` is ``unknown`` if its worker crashed.

    A request that the endpoint has certainly or probably not processed is sent again within the attempt: ``repeats``
    has a reason for each, separated by commas (``transports.http.repeats``).
    """

    prefix = "att"
    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="history", db_constraint=False, db_index=False)
    number = models.PositiveSmallIntegerField(help_text="Number of the attempt, from 1.")
    started_at = models.DateTimeField(help_text="When the attempt started.")
    duration_ms = models.PositiveIntegerField(help_text="Milliseconds from its start to its end.")
    status = models.PositiveSmallIntegerField(null=True, help_text="HTTP status; empty: no response.")
    error = models.CharField(
        max_length=20, blank=True, help_text="Class of the failure, such as timeout; empty: delivered."
    )
    response = models.BinaryField(null=True, help_text="The first 16 KiB of the response body.")
    response_headers = models.BinaryField(
        null=True, help_text="Lines of the response's headers, up to 2 KiB, with credentials masked; empty: none."
    )
    repeats = models.TextField(null=True, help_text="Why its request was sent again; empty: it was sent once.")

    class Meta:
        indexes = [models.Index(fields=["delivery", "id"], name="attempt_by_delivery")]  # reader: a delivery's history

    def __str__(self) -> str:
        return f"{self.number}: {self.status or self.error}"
