"""Define sources: one sender each, with its secrets."""

from datetime import datetime

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q, Value

from webhooks.kit.rows import Row

MIB = 1024 * 1024
MAX_BODY_BYTES = 5 * 1024 * MIB  # the most that S3 copies in one request

uid_format = RegexValidator(
    r"\A(?!src_)[A-Za-z0-9._-]{1,256}\Z",
    "Must be 1 to 256 letters, digits, hyphens, underscores and full stops, and must not begin with src_.",
)


def any_origin() -> list[str]:
    """Return the default of ``Source.allowed_origins``: every sender may ask; its messages must still be signed."""
    return ["*"]


class Source(Row):
    """The configuration of one sender: scheme, limits, responses and handlers.

    The sender posts to ``/in/<id>/``. The id is random and never given again, so an address leads to this source or to
    none; a ``uid`` is no address, because its owner chooses it, and may change it or give it to a later source.
    """

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"

    class ResponseWhen(models.TextChoices):
        STORED = "stored", "When the message is stored"
        PROCESSED = "processed", "When its handlers have finished"

    class Dedupe(models.TextChoices):
        ID = "id", "By the message id"
        CONTENT = "content", "By the content, within a window"
        OFF = "off", "Store every message"

    class Envelope(models.TextChoices):
        NONE = "none", "None: the body is the data of one event"
        AUTO = "auto", "The one that is recognized, or none"
        CLOUDEVENTS = "cloudevents", "CloudEvents"
        EVENTBRIDGE = "eventbridge", "Amazon EventBridge"
        SNS = "sns", "Amazon SNS"
        S3 = "s3", "Amazon S3 event notifications"
        EVENT_GRID = "event_grid", "Azure Event Grid"
        PUBSUB = "pubsub", "Google Cloud Pub/Sub"
        STANDARD = "standard", "Standard Webhooks, Svix"

    class FailingReason(models.TextChoices):  # the gravest last
        ENDANGERED = "endangered", "In danger"
        UNAVAILABLE = "unavailable", "Cannot be read"
        POSITION_LOST = "position_lost", "Its position was lost"

    prefix = "src"
    tenant_id = models.UUIDField(
        "tenant ID", null=True, blank=True, db_index=True, help_text="Owner; empty: the operator."
    )
    uid = models.CharField(
        "external ID",
        max_length=256,
        null=True,
        blank=True,
        validators=[uid_format],
        help_text="Your own id of the source, unique within its owner; accepted wherever its id is, except in its URL.",
    )
    name = models.CharField(max_length=256, blank=True, help_text="Name shown in lists.")
    kind = models.CharField(
        max_length=32,
        default="http",
        help_text="Where messages come from: http (senders post them), or a system that is read; GET /source-kinds/ "
        "lists the kinds.",
    )
    settings = models.JSONField(
        default=dict, blank=True, help_text="Settings of the kind: what is read, and from where."
    )
    credentials = models.BinaryField(null=True, editable=False, help_text="Encrypted credentials of the kind, JSON.")
    labels = models.JSONField(default=dict, blank=True, db_default=Value({}, models.JSONField()))
    scheme = models.CharField(
        max_length=64, help_text="How the sender signs its messages, such as standard, github or stripe."
    )
    options = models.JSONField(default=dict, blank=True, help_text="Options of the scheme: an object of strings.")
    sender = models.CharField(
        max_length=64,
        blank=True,
        help_text="Name of a known sender, whose settings the source was created with; GET /senders/ lists them.",
    )
    handshake = models.JSONField(
        default=list,
        blank=True,
        help_text="Rules by which the sender checks the address; empty: those of the scheme.",
    )
    timestamp_tolerance_seconds = models.PositiveIntegerField(
        default=300,
        validators=[MaxValueValidator(86_400)],
        help_text="Accepted difference between a signed timestamp and the present, in seconds.",
    )
    public_url = models.URLField(
        "public URL",
        max_length=2048,
        blank=True,
        help_text="The URL as the sender knows it, for schemes that sign the URL; empty: the URL of the request.",
    )
    message_id_path = models.CharField(
        max_length=256,
        blank=True,
        help_text="Where the message id is: header:Name or body:/json/pointer; empty: as the scheme says.",
    )
    dedupe = models.CharField(
        max_length=16,
        choices=Dedupe,
        default=Dedupe.ID,
        help_text="How repeats are found: by the message id (a message without one is never a repeat), by equal "
        "content within dedupe_window_seconds, or not at all.",
    )
    dedupe_window_seconds = models.PositiveIntegerField(
        default=86_400,
        validators=[MinValueValidator(1), MaxValueValidator(30 * 86_400)],
        help_text="With dedupe content: seconds for which equal content counts as the same message.",
    )
    event_type_path = models.CharField(
        max_length=256,
        blank=True,
        help_text="Where the event type is: header:Name or body:/json/pointer; empty: as the scheme says.",
    )
    envelope = models.CharField(
        max_length=16,
        choices=Envelope,
        default=Envelope.AUTO,
        help_text="Form of the body, which is opened into events for patterns of handlers and for the handler publish. "
        "auto opens what it recognizes; with a name, a message that does not have that form is dead with the reason.",
    )
    order_key_path = models.CharField(
        max_length=256,
        blank=True,
        help_text="Where the order key is: header:Name or body:/json/pointer. One key's receipts run in order.",
    )
    verify_token = models.BinaryField(
        null=True,
        editable=False,
        help_text="Encrypted token that a GET with hub.mode and hub.challenge must carry (Meta, WebSub).",
    )
    allowed_origins = models.JSONField(
        default=any_origin,
        blank=True,
        help_text='DNS names of senders that may send after an OPTIONS request (CloudEvents webhooks); "*": all.',
    )
    allowed_networks = models.JSONField(
        default=list,
        blank=True,
        help_text="Networks (CIDR) or addresses that messages may come from; others get 403. Empty: all.",
    )
    max_bytes = models.BigIntegerField(
        default=25 * MIB,  # the largest message of GitHub and GitLab
        validators=[MinValueValidator(1), MaxValueValidator(MAX_BODY_BYTES)],
        help_text="Largest accepted body in bytes; a larger one gets 413.",
    )
    rate_per_minute = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Accepted requests per minute and web process; more get 429. Empty: no limit.",
    )
    content_types = models.JSONField(
        default=list,
        blank=True,
        help_text="Accepted media types, such as application/json or text/*; others get 415. Empty: all.",
    )
    response_status = models.PositiveSmallIntegerField(
        default=202,
        validators=[MinValueValidator(200), MaxValueValidator(599)],
        help_text="Status of the response to a new message, from 200 to 599.",
    )
    response_body = models.TextField(
        null=True,
        blank=True,
        max_length=4096,
        help_text="Body of the response; null: the receipt's id as JSON. An empty string: no body.",
    )
    response_content_type = models.CharField(
        max_length=128, blank=True, help_text="Content type of response_body; empty: application/json."
    )
    response_when = models.CharField(
        max_length=16,
        choices=ResponseWhen,
        default=ResponseWhen.STORED,
        help_text="When to respond: as soon as the message is stored, or after its handlers.",
    )
    response_timeout_seconds = models.PositiveSmallIntegerField(
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(25)],
        help_text="Longest wait for the handlers before the response, in seconds; after it the response is 202.",
    )
    responses = models.JSONField(
        default=dict,
        blank=True,
        help_text="Responses to the outcomes duplicate, failed (the handlers did, or took too long), rejected (no "
        'valid signature), paused and deleted, where they differ: {outcome: {"status", "body", "content_type"}}.',
    )
    handlers = models.JSONField(
        default=list, blank=True, help_text='Handlers to run: [{"handler": name, "pattern": {...}}, ...].'
    )
    handler_timeout_seconds = models.PositiveSmallIntegerField(
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(900)],
        help_text="Time limit of all handlers of one receipt together, in seconds.",
    )
    retry_plan = models.JSONField(
        null=True, blank=True, help_text="Seconds to wait after each failure; empty: the default, 9 attempts in 41 h."
    )
    sequence_path = models.CharField(
        max_length=256,
        blank=True,
        help_text="Where a number or time is that grows from message to message: header:Name or body:/json/pointer.",
    )
    skip_out_of_order = models.BooleanField(
        default=False, help_text="Do not handle a receipt after a later one of the same order key."
    )
    paused_at = models.DateTimeField(
        null=True, blank=True, help_text="Time of the pause. While paused, senders get 503 with Retry-After."
    )
    deleted_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Time of deletion. Signed messages get 410 afterwards."
    )
    tenant_deleted_at = models.DateTimeField(
        null=True, editable=False, help_text="When its tenant was deleted; pending receipts are given up then."
    )
    failing_reason = models.CharField(
        max_length=16, choices=FailingReason, blank=True, db_default="", default="", editable=False
    )  # that was published and has not ended; empty: none
    failing_reported_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True, help_text="When it was last changed.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "uid"],
                condition=Q(deleted_at=None, uid__isnull=False),
                nulls_distinct=False,
                name="source_uid_unique_per_tenant",
            )
        ]

    def __str__(self) -> str:
        return self.name or self.uid or self.public_id

    @property
    def state(self) -> str:
        """Return whether the source accepts messages or is paused."""
        return self.State.PAUSED if self.paused_at else self.State.ACTIVE


class SourceSecret(Row):
    """One encrypted secret that signatures of a source are checked with.

    Several are active during a rotation. Secrets of different names are active for as long as the owner wants: those
    of an account and its connected accounts, of live and test mode.
    """

    prefix = "sec"
    source = models.ForeignKey(Source, models.CASCADE, related_name="secrets")
    name = models.CharField(
        max_length=64,
        blank=True,
        help_text="What it is for, such as live or test; a new secret replaces only those of its name.",
    )
    ciphertext = models.BinaryField(help_text="Encrypted under WAYPOST_ENCRYPTION_KEYS.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Last moment of use; empty: no end.")
    is_received = models.BooleanField(
        default=False, help_text="The sender gave it in its handshake, so it can be shown to the owner."
    )

    def __str__(self) -> str:
        return self.public_id

    def is_active_at(self, moment: datetime) -> bool:
        """Return whether signatures are checked with this secret at that moment."""
        return self.expires_at is None or moment < self.expires_at
