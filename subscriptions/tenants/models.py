"""Store tenants, their plans and API keys, and the stored responses of idempotent requests.

An empty limit means no limit. A tenant without a plan has the limits of the default plan; if there is no default plan,
the limits are the field defaults of ``Plan``.
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q, Value
from django.utils import timezone

from subscriptions.tenants.roles import Role
from webhooks.kit.rows import Row, uid_format

MAX_EVENTS_PER_MONTH = 10**12
MAX_PUBLISH_RATE = 1_000_000  # events per second
MAX_ENDPOINTS = 1_000_000
MAX_SUBSCRIPTIONS = 1_000_000
MAX_SUBSCRIPTION_BYTES = 1024**3
MAX_SOURCES = 1_000_000
MAX_SCHEDULES = 10_000_000
LONGEST_INTERVAL = 31 * 86_400  # seconds
MAX_EVENT_BYTES = 1024**3
MAX_RETENTION_DAYS = 3650


def _between(least: int, most: int) -> list[MinValueValidator | MaxValueValidator]:
    return [MinValueValidator(least), MaxValueValidator(most)]


class Plan(Row):
    """Model limits that tenants share. At most one plan is the default: it applies to tenants without a plan."""

    prefix = "pln"
    uid = models.CharField(
        "external ID",
        max_length=256,
        null=True,
        blank=True,
        unique=True,
        validators=[uid_format],
        help_text="Your own ID of the plan.",
    )
    name = models.CharField(max_length=256, help_text="Name shown in lists.")
    is_default = models.BooleanField(default=False, help_text="Whether this plan applies to tenants without a plan.")
    events_per_month = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        validators=_between(0, MAX_EVENTS_PER_MONTH),
        help_text="Events accepted in a calendar month (UTC); empty: no limit.",
    )
    publish_rate = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=_between(1, MAX_PUBLISH_RATE),
        help_text="Events per second; those of one second may arrive at once. Empty: no limit.",
    )
    max_endpoints = models.PositiveIntegerField(
        null=True,
        blank=True,
        default=10_000,
        validators=_between(0, MAX_ENDPOINTS),
        help_text="Number of endpoints that a tenant may have; empty: no limit.",
    )
    endpoint_types = ArrayField(
        models.CharField(max_length=32),
        null=True,
        blank=True,
        help_text="Types of endpoints that a tenant may create, such as `http` and `sqs`; empty: all of them.",
    )
    max_subscriptions = models.PositiveIntegerField(
        null=True,
        blank=True,
        default=10_000,
        validators=_between(0, MAX_SUBSCRIPTIONS),
        help_text="Number of subscriptions that a tenant may have; empty: no limit.",
    )
    max_subscription_bytes = models.PositiveIntegerField(
        null=True,
        blank=True,
        default=32 * 1024**2,
        validators=_between(0, MAX_SUBSCRIPTION_BYTES),
        help_text="Bytes of the patterns and transformers of all subscriptions of a tenant, and 512 for each event "
        "type that one names; empty: no limit.",
    )
    max_sources = models.PositiveIntegerField(
        null=True,
        blank=True,
        default=1_000,
        validators=_between(0, MAX_SOURCES),
        help_text="Number of sources that a tenant may have; empty: no limit.",
    )
    max_schedules = models.PositiveIntegerField(
        null=True,
        blank=True,
        default=10_000,
        validators=_between(0, MAX_SCHEDULES),
        help_text="Number of schedules that a tenant may have; empty: no limit.",
    )
    min_schedule_interval_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=_between(60, LONGEST_INTERVAL),
        help_text="Shortest time between two occurrences of a schedule, in seconds; empty: no limit.",
    )
    max_event_bytes = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=_between(256, MAX_EVENT_BYTES),
        help_text="Size of one published event in bytes; empty: only the limit of the platform.",
    )
    max_retention_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=_between(1, MAX_RETENTION_DAYS),
        help_text="Longest retention that a tenant may choose, in days; empty: no limit.",
    )
    updated_at = models.DateTimeField(default=timezone.now, editable=False, help_text="When it was last changed.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["is_default"], condition=Q(is_default=True), name="unique_default_plan"),
        ]

    def __str__(self) -> str:
        return self.name


class Tenant(Row):
    """Model a customer of the company that runs Waypost, who owns endpoints, subscriptions, events and sources.

    Database triggers (migrations/versions.sql) increase ``routes_version`` with every change that affects routing, so
    that processes notice that their cached route table is out of date.
    """

    class UnknownEventTypes(models.TextChoices):
        """List what publishing can do with an event whose type is not in the catalogue."""

        ACCEPT = "accept", "Accept"
        WARN = "warn", "Accept with a warning"
        REFUSE = "refuse", "Reject"

    prefix = "tnt"
    uid = models.CharField(
        "external ID",
        max_length=256,
        null=True,
        blank=True,
        unique=True,
        validators=[uid_format],
        help_text="Your own ID of the tenant.",
    )
    name = models.CharField(max_length=256, help_text="Name shown in lists.")
    plan = models.ForeignKey(
        Plan,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="tenants",
        help_text="Limits of the tenant; empty: the default plan.",
    )
    metadata = models.JSONField(default=dict, blank=True)
    labels = models.JSONField(default=dict, blank=True, db_default=Value({}, models.JSONField()))
    is_platform = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether this is the platform's own tenant, whose endpoints receive the operational events of all "
        "tenants. At most one is.",
    )
    unknown_event_types = models.CharField(
        max_length=6,
        choices=UnknownEventTypes.choices,
        blank=True,
        default="",
        db_default="",
        help_text="What happens to a published event whose type is not in the catalogue; empty: as the platform says "
        "(WAYPOST_UNKNOWN_EVENT_TYPES).",
    )
    retention_days = models.PositiveSmallIntegerField(
        default=90,
        validators=_between(1, MAX_RETENTION_DAYS),
        help_text="Days an event and its finished deliveries are kept.",
    )
    archives_events = models.BooleanField(
        default=True,
        db_default=True,
        help_text="Whether events are archived before retention deletes them, where the platform has an archive.",
    )
    unshortened_retention_days = models.PositiveSmallIntegerField(
        null=True,
        editable=False,
        help_text="The retention to restore when the plan allows it again; null: the plan shortens nothing.",
    )
    routes_version = models.BigIntegerField(default=0, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_platform"], condition=Q(is_platform=True, deleted_at=None), name="unique_platform_tenant"
            ),
        ]
        indexes = [
            GinIndex(fields=["labels"], opclasses=["jsonb_path_ops"], name="tenant_by_label"),  # reader: broadcasts
        ]

    def __str__(self) -> str:
        return self.name


class Scope(models.TextChoices):
    """List what an API key allows."""

    PUBLISH = "publish", "Publish events"
    MANAGE = "manage", "Manage"
    READ = "read", "Read"
    CONSUME = "consume", "Pull and acknowledge messages"


class ApiKey(Row):
    """Model an API key, which is sent as a bearer token.

    Only its SHA-256 is stored. A slow password hash is not needed, since a key has 256 random bits.
    """

    prefix = "key"
    tenant = models.ForeignKey(
        Tenant,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="api_keys",
        help_text="Empty: a platform key, for every tenant.",
    )
    endpoint = models.ForeignKey(  # without a constraint: emptying the table of endpoints must not empty this one
        "subscriptions.Endpoint",
        models.CASCADE,
        null=True,
        blank=True,
        db_constraint=False,
        related_name="api_keys",
        help_text="The only endpoint that the key may read or change; empty: all of the tenant.",
    )
    name = models.CharField(max_length=256, blank=True, help_text="What the key is for.")
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    key_prefix = models.CharField(
        max_length=16, editable=False, help_text="First characters of the key, to tell keys apart."
    )
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope.choices), default=list)
    role = models.CharField(
        max_length=16,
        choices=Role.choices,
        null=True,
        blank=True,
        help_text="Role of the key, as of a user of the admin: it may do what the role may, and sees payloads only if "
        "the role does. Empty: its scopes alone decide.",
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When the key stops working; null: never.")
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When the key was revoked.")
    last_used_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the key was last used, to the minute."
    )

    class Meta:
        verbose_name = "API key"
        indexes = [
            models.Index(  # reader: the alert rules about keys that end
                fields=["expires_at"],
                name="api_key_by_expiry",
                condition=Q(expires_at__isnull=False, revoked_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key_prefix}… {self.name}".strip()


class StoredResponse(models.Model):
    """Model the stored response to a request with an ``Idempotency-Key`` (see ``tenants.idempotency``)."""

    request_id = models.BinaryField(
        primary_key=True, max_length=32, help_text="SHA-256 of the key, the path, and the caller's tenant and scopes."
    )
    content_digest = models.BinaryField(max_length=32, help_text="SHA-256 of the request's content.")
    status = models.PositiveSmallIntegerField()
    ciphertext = models.BinaryField(help_text="Encrypted headers and body, which may hold a secret.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        app_label = "subscriptions"
        indexes = [models.Index(fields=["created_at"], name="stored_response_by_age")]  # reader: delete_expired

    def __str__(self) -> str:
        return f"response {self.status}, created {self.created_at}"
