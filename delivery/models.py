"""What is owed, to whom, what became of it: events, deliveries, attempts, lanes, dead letters, replays.

A debt is a row. ``Delivery.state`` says who has to act: ``pending`` the next drain, ``sending`` the drain whose
token it carries, everything else nobody. The partial indexes hold only the owed, and each names its reader.

The large tables refer to each other without database foreign keys (``db_constraint=False``): rows that belong
together are written in one statement, nothing is ever deleted under a live delivery (endpoints are only marked
as deleted, retention goes from the attempts upwards), and checking a foreign key costs more than the insert itself.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from delivery.usage_models import Tally, Usage
from subscriptions.models import Endpoint, Row, Tenant
from webhooks.wire import ids

__all__ = ["Attempt", "DeadLetter", "Delivery", "Event", "Lane", "Replay", "Tally", "Usage"]

STOPPED = Q(state__in=["dead", "cancelled"])


class Event(Row):
    """A CloudEvent as it was taken: ``body`` holds the structured JSON bytes that are signed and sent, for ever."""

    prefix = "evt"
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="events", db_constraint=False, db_index=False)
    source = models.TextField()
    event_id = models.TextField(help_text="The CloudEvent's own id; with the source it identifies the event.")
    type = models.TextField()
    subject = models.TextField(null=True, blank=True)
    digest = models.BinaryField(help_text="SHA-256 of what the publisher gave, to tell a repeat from a conflict.")
    body = models.BinaryField()
    expunged_at = models.DateTimeField(null=True, help_text="Its data was removed then, for good.")
    expunged_by = models.TextField(null=True)
    warnings = models.JSONField(null=True, help_text="Where it does not fit the schema of its type; empty: it fits.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "event_id", "source"], name="an_event_is_taken_once"),
        ]
        indexes = [models.Index(fields=["tenant", "id"], name="event_pages")]  # reader: the list of a tenant

    def __str__(self) -> str:
        return f"event {self.public_id}: {self.type}"


class Delivery(Row):
    """One event owed to one endpoint."""

    class State(models.TextChoices):
        PENDING = "pending", "Pending"
        SENDING = "sending", "Sending"
        DELIVERED = "delivered", "Delivered"
        DEAD = "dead", "Dead"
        CANCELLED = "cancelled", "Cancelled"

    prefix = "dlv"
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="deliveries", db_constraint=False, db_index=False)
    event = models.ForeignKey(Event, models.CASCADE, related_name="deliveries", db_constraint=False, db_index=False)
    endpoint = models.ForeignKey(
        Endpoint, models.CASCADE, related_name="deliveries", db_constraint=False, db_index=False
    )
    state = models.CharField(max_length=9, choices=State.choices, default=State.PENDING)
    next_attempt_at = models.DateTimeField(null=True, default=timezone.now, help_text="Due; empty once finished.")
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Attempts made, over all replays.")
    step = models.PositiveSmallIntegerField(default=0, help_text="How far along the retry plan; a replay starts anew.")
    claims = models.PositiveSmallIntegerField(default=0, help_text="Claims since anything was last settled.")
    token = models.UUIDField(null=True, help_text="Of the claim that is sending it; only its holder may settle.")
    claimed_until = models.DateTimeField(null=True, help_text="After this the claim is void and the rescue frees it.")
    started_at = models.DateTimeField(default=timezone.now, help_text="Start of the retry horizon.")
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=20, blank=True, default="")
    order_key = models.TextField(null=True, help_text="Deliveries of one key go one after the other; empty: any time.")
    body = models.BinaryField(null=True, help_text="Bytes of its own (a transformer's, or thin); empty: the event's.")
    thin = models.BooleanField(db_default=False, help_text="Its own bytes are the event with a link instead of data.")
    replay = models.ForeignKey(
        "Replay", models.SET_NULL, null=True, related_name="deliveries", db_constraint=False, db_index=False
    )
    cancelled_at = models.DateTimeField(null=True)
    cancelled_by = models.TextField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [models.UniqueConstraint(fields=["event", "endpoint"], name="an_event_is_owed_once")]
        indexes = [
            # reader: ledger.claim
            models.Index(fields=["endpoint", "next_attempt_at"], name="delivery_due", condition=Q(state="pending")),
            # reader: ledger.claim, of ordered lanes
            models.Index(
                fields=["endpoint", "order_key", "created_at", "id"],
                name="delivery_in_order",
                condition=Q(order_key__isnull=False, state__in=["pending", "sending"]),
            ),
            # reader: recovery.rescue
            models.Index(fields=["claimed_until"], name="delivery_claimed", condition=Q(state="sending")),
            # readers: the list of a tenant, the list of an endpoint
            models.Index(fields=["tenant", "id"], name="delivery_pages"),
            models.Index(fields=["endpoint", "id"], name="delivery_endpoint_pages"),
            # readers: the same lists, of what did not arrive
            models.Index(fields=["tenant", "state", "id"], name="delivery_stopped", condition=STOPPED),
            models.Index(fields=["endpoint", "state", "id"], name="delivery_endpoint_stopped", condition=STOPPED),
        ]

    def __str__(self) -> str:
        return f"delivery {self.public_id}"


class Attempt(Row):
    """One POST and what came of it. Written when it has ended; ``error`` is ``unknown`` if its sender died."""

    prefix = "att"
    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="history", db_constraint=False, db_index=False)
    number = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    status = models.PositiveSmallIntegerField(null=True, help_text="The HTTP status; empty: no answer came.")
    error = models.CharField(max_length=20, blank=True, help_text="The class of the failure; empty: delivered.")
    answer = models.BinaryField(null=True, help_text="The first 16 KiB of the answer's body.")

    class Meta:
        indexes = [models.Index(fields=["delivery", "id"], name="attempt_history")]  # reader: a delivery's history

    def __str__(self) -> str:
        return f"{self.number}: {self.status or self.error}"


class EndpointHour(models.Model):
    """What the attempts of one hour to one endpoint came to, counted as they ended: see hours."""

    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="hours", db_constraint=False, db_index=False)
    begins_at = models.DateTimeField()
    attempts = models.PositiveIntegerField()
    delivered = models.PositiveIntegerField()
    latencies = ArrayField(models.PositiveIntegerField(), help_text="Attempts by duration, see hours.BOUNDS.")
    last_error = models.CharField(max_length=20, blank=True)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_failed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["endpoint", "begins_at"], name="an_hour_of_an_endpoint_once")]
        indexes = [models.Index(fields=["begins_at"], name="endpoint_hour_age")]  # reader: hours.forget_old

    def __str__(self) -> str:
        return f"{self.begins_at:%Y-%m-%d %H}h of {self.endpoint_id}"


class Lane(models.Model):
    """The queue of one endpoint, leased by one drain at a time; only what must outlive its owner is written here.

    ``due_at`` is the moment at which somebody must look: empty, nothing is known to be owed; with an ``owner``, the
    end of its lease (so that the lane of an owner that died is simply due again).
    """

    endpoint = models.OneToOneField(Endpoint, models.CASCADE, primary_key=True, related_name="lane")
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="+", db_constraint=False, db_index=False)
    due_at = models.DateTimeField(null=True)
    owner = models.UUIDField(null=True, help_text="The drain that leases it.")
    parked = models.BooleanField(default=False, help_text="Owed, but the endpoint is not active.")
    floor_at = models.DateTimeField(null=True, help_text="Low-water mark: nothing pending is due before it.")
    next_slot_at = models.DateTimeField(null=True, help_text="The rate limit's clock (GCRA): when the next may go.")
    window = models.PositiveSmallIntegerField(null=True, help_text="Attempts it can take at once, as far as known.")
    failures = models.PositiveIntegerField(default=0, help_text="Failed attempts in a row.")
    failing_since = models.DateTimeField(null=True, help_text="The first of them.")
    trips = models.PositiveSmallIntegerField(default=0, help_text="Times the breaker tripped since a success.")
    tripped_until = models.DateTimeField(null=True, help_text="The breaker is open until then; then one probe goes.")
    warned = models.PositiveSmallIntegerField(default=0, help_text="Steps of the ladder of warnings told so far.")

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], name="lane_due", condition=Q(due_at__isnull=False)),  # reader: ledger.lease
            models.Index(fields=["endpoint"], name="lane_parked", condition=Q(parked=True)),  # reader: recovery.unpark
            # reader: recovery.begin_anew
            models.Index(fields=["endpoint"], name="lane_tripped", condition=Q(tripped_until__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"lane of {ids.public(Endpoint.prefix, self.endpoint_id)}"


class Replay(Row):
    """A request to send again: a filter, a count, a rate; carried out in slices, resumable.

    ``total`` deliveries matched when it was created; ``cursor`` is the last row (a dead letter, or an event) that was
    looked at.
    """

    class Of(models.TextChoices):
        DEAD_LETTERS = "dead_letters", "Dead letters that are open"
        EVENTS = "events", "Events of the past, whatever became of them"
        MISSING = "missing", "Events of the past that were never owed to the endpoint"

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        FINISHED = "finished", "Finished"
        CANCELLED = "cancelled", "Cancelled"

    prefix = "rpl"
    tenant = models.ForeignKey(
        Tenant,
        models.CASCADE,
        null=True,
        related_name="replays",
        db_index=False,
        help_text="Empty: over all tenants (operators).",
    )
    state = models.CharField(max_length=9, choices=State.choices, default=State.RUNNING)
    of = models.CharField(max_length=12, choices=Of.choices, default=Of.DEAD_LETTERS)
    filter = models.JSONField(help_text="Which of them: endpoint, cause, type, source, subject, since, until, ids.")
    rate = models.PositiveIntegerField(default=100, help_text="Deliveries brought back per second, at most.")
    total = models.PositiveIntegerField(default=0, help_text="Deliveries that matched when it was created.")
    estimated = models.BooleanField(default=False, help_text="The total is carried forward from the first of many.")
    replayed = models.PositiveIntegerField(default=0)
    cursor = models.UUIDField(null=True, editable=False, help_text="The last row that was looked at.")
    until_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text="What came later is not part of it."
    )
    sliced_at = models.DateTimeField(null=True, editable=False, help_text="Where it stands in time, by its rate.")
    requested_by = models.CharField(max_length=256, help_text="The API key or the admin's user.")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "id"], name="replay_pages"),
            models.Index(
                fields=["id"], name="replay_running", condition=Q(state="running")
            ),  # reader: replay.run_slices
        ]

    def __str__(self) -> str:
        return f"replay {self.public_id}"


class DeadLetter(Row):
    """A delivery that was given up, with the reason; open until it is brought back (``redriven_at``)."""

    class Cause(models.TextChoices):
        EXHAUSTED = "exhausted", "Every retry of the plan failed"
        GONE = "gone", "The endpoint answered 410 Gone"
        EXPIRED = "expired", "The horizon passed while it waited"
        POISON = "poison", "Claimed several times, never settled"
        UNRENDERABLE = "unrenderable", "Its transformer could not render the event"
        ENDPOINT_DELETED = "endpoint_deleted", "The endpoint was deleted"
        PARKED = "parked", "Set aside by hand, so that what is behind it could go on"

    prefix = "dl"
    delivery = models.ForeignKey(
        Delivery, models.CASCADE, related_name="dead_letters", db_constraint=False, db_index=False
    )
    endpoint = models.ForeignKey(
        Endpoint, models.CASCADE, related_name="dead_letters", db_constraint=False, db_index=False
    )
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="dead_letters", db_constraint=False, db_index=False)
    cause = models.CharField(max_length=16, choices=Cause.choices)
    reason = models.TextField(blank=True, help_text="In words, where the cause alone does not say it.")
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=20, blank=True, default="")
    attempts = models.PositiveSmallIntegerField()
    died_at = models.DateTimeField(default=timezone.now)
    redriven_at = models.DateTimeField(null=True)
    redriven_by = models.CharField(max_length=256, blank=True, default="")
    replay = models.ForeignKey(Replay, models.SET_NULL, null=True, related_name="dead_letters", db_constraint=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["delivery"], condition=Q(redriven_at=None), name="one_open_dead_letter_per_delivery"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "id"], name="dead_letter_pages"),
            models.Index(fields=["endpoint", "id"], name="dead_letter_endpoint_pages"),
            models.Index(fields=["delivery", "id"], name="dead_letter_delivery"),
        ]

    def __str__(self) -> str:
        return f"{self.cause} {self.public_id}"
