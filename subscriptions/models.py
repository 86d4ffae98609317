"""Who wants what: tenants, their keys, their endpoints with secrets, and what each endpoint subscribes to.

Two numbers let other processes keep a picture of these tables in memory and know when it is stale:
``Tenant.routes_version`` (anything that decides who gets what) and ``Endpoint.version`` (anything that decides how
it is sent). Triggers keep both (see the second migration), so that no writer, neither a bulk update nor a
hand in psql, can forget to.
"""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from subscriptions.endpoints.retry_plan import LONGEST_WAIT
from subscriptions.event_types.models import EventSchema, EventType
from subscriptions.tenants.models import ApiKey, Plan, Reply, Scope, Tenant
from webhooks.kit.rows import Row, uid_format
from webhooks.wire.ids import new_id

__all__ = [
    "ApiKey",
    "Endpoint",
    "EventSchema",
    "EventType",
    "Plan",
    "Reply",
    "Row",
    "Scope",
    "Secret",
    "Subscription",
    "Tenant",
]


class Endpoint(Row):
    """An address of a tenant that receives webhooks, and how it wants them sent.

    A deleted endpoint stays as a row (``deleted_at``), so that its deliveries keep their history.
    """

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused: deliveries wait"
        DISABLED = "disabled", "Disabled: deliveries wait until it is switched on or they expire"
        UNVERIFIED = "unverified", "Unverified: deliveries wait until it has consented"

    class DisabledReason(models.TextChoices):
        GONE = "gone", "It answered 410 Gone"
        FAILING = "failing", "It failed for days without one success"
        OPERATOR = "operator", "Switched off by an operator"

    class Consent(models.TextChoices):
        UNVERIFIED = "unverified", "Unverified"
        ASKED = "asked", "Asked: it may still call back"
        GRANTED = "granted", "Granted"

    class ContentMode(models.TextChoices):
        STRUCTURED = "structured", "Structured: the whole CloudEvent as JSON"
        BINARY = "binary", "Binary: data in the body, attributes in headers"
        THIN = "thin", "Thin: the CloudEvent as JSON, with a link instead of its data"

    class Ordering(models.TextChoices):
        NONE = "", "None: as fast as it goes"
        ENDPOINT = "endpoint", "One after the other"
        SUBJECT = "subject", "One after the other for each subject"
        PARTITIONKEY = "partitionkey", "One after the other for each partitionkey"

    class RatePeriod(models.TextChoices):
        SECOND = "second", "Per second"
        MINUTE = "minute", "Per minute"

    prefix = "ep"
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="endpoints", db_index=False)
    uid = models.CharField(max_length=256, null=True, blank=True, validators=[uid_format])
    kind = models.CharField(
        max_length=16, default="http", db_default="http", editable=False, help_text="The transport that sends to it."
    )
    url = models.CharField(max_length=2048)
    origin = models.CharField(max_length=300, default="", editable=False, help_text="Scheme, host and port of the URL.")
    moved_at = models.DateTimeField(null=True, editable=False, help_text="When it was given another URL last.")
    description = models.CharField(max_length=1024, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.ACTIVE)
    disabled_reason = models.CharField(max_length=8, choices=DisabledReason.choices, blank=True, editable=False)
    state_changed_at = models.DateTimeField(default=timezone.now, editable=False)
    consent = models.CharField(
        max_length=10,
        choices=Consent.choices,
        default=Consent.UNVERIFIED,
        editable=False,
        help_text="Whether it has said that it wants what we send.",
    )
    consented_at = models.DateTimeField(null=True, editable=False)
    allowed_rate = models.PositiveIntegerField(
        null=True, editable=False, help_text="Requests per minute that it has consented to; empty: any."
    )
    consent_key = models.BinaryField(max_length=32, null=True, unique=True, editable=False)
    consent_asked_at = models.DateTimeField(null=True, editable=False)
    headers = models.JSONField(
        default=dict, blank=True, help_text="The names of headers of its own; values are stored encrypted."
    )
    auth = models.JSONField(default=dict, blank=True, help_text="How it knows us, without the secrets.")
    tls = models.JSONField(
        default=dict, blank=True, help_text="Whose client certificate it gets, and its own authorities."
    )
    ciphertext = models.BinaryField(null=True, editable=False, help_text="headers, auth and tls in full, encrypted.")
    content_mode = models.CharField(
        max_length=10, choices=ContentMode.choices, default=ContentMode.STRUCTURED, editable=True
    )
    thin_above = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Bytes of data above which it gets a link instead, whatever its content mode; empty: no limit.",
    )
    timeout_ms = models.PositiveIntegerField(
        default=15_000,
        validators=[MinValueValidator(1_000), MaxValueValidator(30_000)],
        help_text="Milliseconds from the start of an attempt to its end, whatever happens in between.",
    )
    max_in_flight = models.PositiveSmallIntegerField(
        default=64,
        validators=[MinValueValidator(1), MaxValueValidator(512)],
        help_text="Attempts under way at once, at most.",
    )
    rate_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(100_000)],
        help_text="Attempts per second (or minute: `rate_period`), at most; empty: no limit.",
    )
    rate_period = models.CharField(
        max_length=6,
        choices=RatePeriod.choices,
        default=RatePeriod.SECOND,
        db_default=RatePeriod.SECOND,
        help_text="What the rate limit counts in.",
    )
    rate_burst = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(100_000)],
        help_text="Attempts that may go at once after a quiet while; empty: a tenth of a second's.",
    )
    ordering = models.CharField(
        max_length=12,
        choices=Ordering.choices,
        default=Ordering.NONE,
        blank=True,
        help_text="A delivery that fails holds up those after it; of events published from now on.",
    )
    retry_plan = ArrayField(
        models.PositiveIntegerField(validators=[MinValueValidator(1), MaxValueValidator(LONGEST_WAIT)]),
        null=True,
        blank=True,
        help_text="Seconds to wait after each failure; empty: the default, 10 attempts over 75 h 35 min.",
    )
    metadata = models.JSONField(default=dict, blank=True)
    version = models.BigIntegerField(default=0, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "uid"],
                condition=Q(deleted_at=None),
                name="one_endpoint_per_uid_of_a_tenant",
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "id"], name="endpoint_pages"),  # reader: the list of a tenant
            # reader: origins.hold_origin
            models.Index(fields=["tenant", "origin"], name="endpoint_origins", condition=Q(deleted_at=None)),
        ]

    def __str__(self) -> str:
        return self.description or self.url

    @property
    def rate_per_second(self) -> float | None:
        """The owner's limit, whatever period it is said in, or what the target has consented to per minute: whichever
        is less; None: there is none."""
        own = self.rate_limit and self.rate_limit / (60 if self.rate_period == self.RatePeriod.MINUTE else 1)
        allowed = self.allowed_rate and self.allowed_rate / 60
        return min((rate for rate in (own, allowed) if rate), default=None)


class Secret(models.Model):
    """What the deliveries of an endpoint are signed with. While two are valid, both sign: that is the rotation."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="secrets")
    ciphertext = models.BinaryField(editable=False)
    public_key = models.CharField(
        max_length=64, blank=True, default="", editable=False, help_text="Of a key pair (v1a), as whpk_; else empty."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: the current secret.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint"], condition=Q(expires_at=None), name="one_current_secret_per_endpoint"
            ),
        ]

    def __str__(self) -> str:
        return f"secret of {self.endpoint_id}"

    @property
    def signing(self) -> str:
        """The scheme of Standard Webhooks it signs by."""
        return "v1a" if self.public_key else "v1"


class Token(models.Model):
    """The bearer token an endpoint is sent to with now, encrypted: see tokens."""

    endpoint = models.OneToOneField(Endpoint, models.CASCADE, primary_key=True, related_name="token")
    ciphertext = models.BinaryField(editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"token of {self.endpoint_id}"


class Subscription(Row):
    """An endpoint wants events of these types: exact names, ``order.*`` (everything below order), or ``*``.

    ``pattern`` (an event pattern) narrows that by what is in the event; ``transformer`` (``input_paths`` and
    ``template``) decides the bytes this endpoint gets instead of the whole event.
    """

    prefix = "sub"
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="subscriptions", db_index=False)
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="subscriptions")
    event_types = ArrayField(models.CharField(max_length=256), default=list)
    pattern = models.JSONField(null=True, blank=True)
    transformer = models.JSONField(null=True, blank=True)
    description = models.CharField(max_length=1024, blank=True)
    active = models.BooleanField(default=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["tenant", "id"], name="subscription_pages")]

    def __str__(self) -> str:
        return ", ".join(self.event_types)
