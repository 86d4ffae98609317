"""Who may send to us, what they sent, and what was refused.

A debt is a row: ``Receipt.due_at`` says when its handlers are owed a run, and NULL means nothing is owed. A
claim moves ``due_at`` into the future and writes a token, so that a worker that dies owes the run again when
its claim runs out, without anybody noticing the death.
"""

from datetime import datetime
from io import BytesIO
from typing import IO, cast

import orjson
from django.core.files.storage import storages
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from webhooks.wire.ids import new_id, public

KIB = 1024
MIB = 1024 * KIB
LARGEST_BODY = 5 * 1024 * MIB  # what one S3 upload in a single copy can hold, and hours of a slow line

uid_format = RegexValidator(
    r"\A(?!src_)[A-Za-z0-9._-]{1,256}\Z",
    "A uid is 1 to 256 letters, digits, hyphens, underscores and full stops, and does not begin with src_.",
)


def anybody() -> list[str]:
    """Who may ask for consent, unless the source says otherwise. What is sent must be signed all the same."""
    return ["*"]


class Row(models.Model):
    """A row with a UUIDv7 key, shown outside as a TypeID with the table's prefix."""

    prefix = ""
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)

    class Meta:
        abstract = True

    @property
    def public_id(self) -> str:
        return public(self.prefix, self.id)


class Source(Row):
    """One sender's door, ``/in/<source>/``: how it signs, what it may send, what it is answered."""

    class Answer(models.IntegerChoices):
        OK = 200, "200 OK"
        ACCEPTED = 202, "202 Accepted"
        NO_CONTENT = 204, "204 No Content"

    class When(models.TextChoices):
        KEPT = "kept", "When it is kept"
        PROCESSED = "processed", "When its handlers are done"

    prefix = "src"
    tenant_id = models.UUIDField(null=True, blank=True, db_index=True, help_text="Its owner; empty: the operator.")
    uid = models.CharField(
        max_length=256,
        null=True,
        blank=True,
        validators=[uid_format],
        help_text="Your own id of it, accepted wherever its id is, also in its address.",
    )
    name = models.CharField(max_length=256, blank=True)
    scheme = models.CharField(max_length=64, help_text="How the sender signs.")
    options = models.JSONField(default=dict, blank=True, help_text="What the scheme lets one configure.")
    tolerance = models.PositiveIntegerField(
        default=300,
        validators=[MaxValueValidator(86_400)],
        help_text="Seconds a signed timestamp may be off, where the scheme signs one.",
    )
    public_url = models.URLField(
        max_length=2048, blank=True, help_text="The address as the sender knows it, for schemes that sign it."
    )
    message_id_at = models.CharField(
        max_length=256, blank=True, help_text="Where the message id stands: header:Name or body:/json/pointer."
    )
    event_type_at = models.CharField(max_length=256, blank=True, help_text="Where the event type stands.")
    order_key_at = models.CharField(
        max_length=256,
        blank=True,
        help_text="Where the key stands whose receipts are handled one after the other.",
    )
    verify_token = models.BinaryField(
        null=True,
        editable=False,
        help_text="Stored encrypted: the word by which a GET with hub.mode and hub.challenge is known (Meta, WebSub).",
    )
    allowed_origins = models.JSONField(
        default=anybody,
        blank=True,
        help_text='Senders that get consent when they ask by OPTIONS (CloudEvents webhooks): DNS names, or "*".',
    )
    max_bytes = models.BigIntegerField(
        default=16 * MIB,
        validators=[MinValueValidator(1), MaxValueValidator(LARGEST_BODY)],
        help_text="The largest body taken, in bytes; more is answered 413.",
    )
    rate_per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Requests per minute one web process takes; more are answered 429. Empty: no limit.",
    )
    content_types = models.JSONField(
        default=list, blank=True, help_text="Media types taken, such as application/json or text/*; empty: all."
    )
    answer_status = models.PositiveSmallIntegerField(choices=Answer, default=Answer.ACCEPTED)
    answer_body = models.TextField(
        blank=True, max_length=4096, help_text="What the sender is given to read; empty: the receipt's id as JSON."
    )
    answer_type = models.CharField(max_length=128, blank=True, help_text="The content type of answer_body.")
    answer_when = models.CharField(
        max_length=16, choices=When, default=When.KEPT, help_text="Kept: at once. Processed: handlers first."
    )
    answer_within = models.PositiveSmallIntegerField(
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(25)],
        help_text="Seconds a sender waits for the handlers; then it is answered 202: kept.",
    )
    handlers = models.JSONField(
        default=list, blank=True, help_text='What works on it: [{"handler": name, "pattern": {...}}, ...].'
    )
    handler_seconds = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(900)],
        help_text="Seconds the handlers of one receipt may take together; then they are ended, and it is a failure.",
    )
    retry_plan = models.JSONField(
        null=True, blank=True, help_text="Seconds to wait after each failure; empty: plans.PLAN."
    )
    sequence_at = models.CharField(
        max_length=256, blank=True, help_text="Where a number or a time stands that grows from message to message."
    )
    skip_stale = models.BooleanField(
        default=False, help_text="Do not handle a receipt when a later one of its key has been handled."
    )
    paused_at = models.DateTimeField(
        null=True, blank=True, help_text="While paused, senders are answered 503 and told to come back."
    )
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="A deleted source answers 410.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["uid"], condition=Q(deleted_at=None), name="a_uid_means_one_source"),
        ]

    def __str__(self) -> str:
        return self.name or self.uid or self.public_id


class SourceSecret(Row):
    """A secret a source's signatures are checked with, encrypted. Several at once while one replaces another."""

    prefix = "sec"
    source = models.ForeignKey(Source, models.CASCADE, related_name="secrets")
    ciphertext = models.BinaryField(help_text="Encrypted under WAYPOST_ENCRYPTION_KEYS.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Not believed from here on.")

    def __str__(self) -> str:
        return self.public_id

    def holds_at(self, moment: datetime) -> bool:
        return self.expires_at is None or moment < self.expires_at


class Receipt(Row):
    """One message as it came, byte for byte, and how far its handlers have got.

    The body stands in the row (``body``) or, when large, in storage under ``body_key``: a claim check. ``open``
    reads either.
    """

    class Cause(models.TextChoices):
        EXHAUSTED = "exhausted", "Every attempt failed"
        REFUSED = "refused", "A handler gave it up"
        POISON = "poison", "Claimed again and again without an end"

    prefix = "rcp"
    # Without a constraint in the database: checking it would lock the source's row for every message that comes.
    # A source is deleted by the sweep alone, long after its door was closed and its last receipt went.
    source = models.ForeignKey(Source, models.PROTECT, related_name="receipts", db_index=False, db_constraint=False)
    message_id = models.CharField(max_length=256, help_text="The sender's id of it, or else the body's digest.")
    event_type = models.CharField(max_length=256, blank=True)
    order_key = models.CharField(max_length=256, blank=True)
    secret_id = models.UUIDField(null=True, editable=False, help_text="The source's secret it was signed with.")
    content_type = models.CharField(max_length=256, blank=True)
    headers = models.JSONField(default=dict, help_text="As they came, without credentials.")
    body = models.BinaryField(null=True, help_text="The bytes as they came; NULL: see body_key.")
    body_key = models.CharField(max_length=128, blank=True, help_text="The object in storage.")
    size = models.BigIntegerField(help_text="Bytes of the body.")
    sha256 = models.CharField(max_length=64, help_text="Digest of the body, hexadecimal.")
    received_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(null=True, db_default=Now(), help_text="NULL: nothing is owed.")
    claim_token = models.UUIDField(null=True, editable=False)
    claims = models.PositiveSmallIntegerField(
        db_default=0, help_text="Claims since the last one that ended well or badly; many are poison."
    )
    attempts = models.PositiveSmallIntegerField(db_default=0)
    last_error = models.TextField(db_default="", blank=True)
    processed_at = models.DateTimeField(null=True)
    handled_by = models.JSONField(null=True, help_text="The names of the handlers that worked on it.")
    out_of_order = models.BooleanField(db_default=False, help_text="A later one of its key had been handled before.")
    skipped = models.BooleanField(db_default=False, help_text="Not handled, because it was out of order.")
    dead_at = models.DateTimeField(null=True)
    cause = models.CharField(max_length=16, choices=Cause, db_default="", blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "message_id"], name="a_message_is_kept_once"),
            models.CheckConstraint(
                condition=Q(body__isnull=False, body_key="") | Q(body__isnull=True, body_key__gt=""),
                name="a_body_stands_in_one_place",
            ),
        ]
        indexes = [
            # reader: process.claim
            models.Index(fields=["due_at"], name="receipt_due", condition=Q(due_at__isnull=False)),
            # reader: process.claim, which of a key comes first
            models.Index(
                fields=["source", "order_key", "id"],
                name="receipt_order",
                condition=Q(due_at__isnull=False) & ~Q(order_key=""),
            ),
            # readers: the list of the dead, sweep.expire
            models.Index(fields=["dead_at"], name="receipt_dead", condition=Q(dead_at__isnull=False)),
            models.Index(fields=["source", "id"], name="receipt_pages"),  # reader: the list of a source
            # reader: the list of a source, of one type
            models.Index(fields=["source", "event_type", "id"], name="receipt_types", condition=~Q(event_type="")),
            # reader: sweep.remove_orphans
            models.Index(fields=["body_key"], name="receipt_objects", condition=~Q(body_key="")),
        ]
        permissions = [("replay_receipt", "Can have receipts handled again")]

    def __str__(self) -> str:
        return f"{self.event_type} {self.public_id}".strip()

    @property
    def state(self) -> str:
        """pending, processed or dead."""
        if self.due_at is not None:
            return "pending"
        return "dead" if self.dead_at is not None else "processed"

    def open(self) -> IO[bytes]:
        """The body as a binary file, wherever it stands. Close it. Raises OSError if storage is out of reach."""
        if self.body_key:
            return cast(IO[bytes], storages["claims"].open(self.body_key, "rb"))
        return BytesIO(bytes(self.body or b""))

    def read(self) -> bytes:
        """The whole body in memory: for bodies known to be small."""
        with self.open() as file:
            return file.read()

    def json(self) -> object:
        """The body as JSON. Raises ValueError if it is not."""
        return orjson.loads(self.read())


class Rejection(Row):
    """A request that was refused, so that a wrong secret can be found. A sample: see rejections.py."""

    prefix = "rej"
    source = models.ForeignKey(Source, models.CASCADE, related_name="rejections", db_index=False)
    reason = models.CharField(max_length=64)
    detail = models.CharField(max_length=512, blank=True)
    headers = models.JSONField(default=dict, help_text="Without credentials.")
    address = models.CharField(max_length=64, blank=True, help_text="Where the connection came from.")
    size = models.BigIntegerField(help_text="Bytes read before it was refused.")
    sha256 = models.CharField(max_length=64, blank=True, help_text="Digest of the body, if it was read to its end.")
    last_good_secret_id = models.UUIDField(
        null=True, editable=False, help_text="The secret that the last message which was believed was signed with."
    )
    last_good_at = models.DateTimeField(null=True, editable=False, help_text="When that message came.")
    unrecorded = models.PositiveIntegerField(default=0, help_text="Refusals before this one that were only counted.")
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["source", "id"], name="rejection_pages")]  # reader: the list, sweep.trim

    def __str__(self) -> str:
        return f"{self.reason} {self.public_id}"


class Mark(Row):
    """How far the sequence of one ordering key has come: the greatest that was handled."""

    prefix = "mrk"
    source = models.ForeignKey(Source, models.CASCADE, related_name="marks", db_index=False, db_constraint=False)
    order_key = models.CharField(max_length=256, blank=True)
    sequence = models.DecimalField(max_digits=38, decimal_places=9)
    moved_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "order_key"], name="a_key_has_one_mark")]
        indexes = [models.Index(fields=["moved_at"], name="mark_age")]  # reader: sweep.forget_marks

    def __str__(self) -> str:
        return f"{self.order_key} {self.sequence}".strip()


class Hour(Row):
    """What happened at a source in one hour, counted as it happened: see tally.py."""

    prefix = "hour"
    source = models.ForeignKey(Source, models.CASCADE, related_name="hours", db_index=False, db_constraint=False)
    begins_at = models.DateTimeField()
    received = models.BigIntegerField(default=0)
    duplicates = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    turned_away = models.BigIntegerField(default=0)
    processed = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    dead = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "begins_at"], name="an_hour_is_counted_once")]
        indexes = [models.Index(fields=["begins_at"], name="hour_age")]  # reader: sweep.forget_hours

    def __str__(self) -> str:
        return f"{self.source_id} {self.begins_at:%Y-%m-%d %H:00}"
