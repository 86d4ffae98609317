"""Who may ask and for how much: tenants with their plans and keys; and what was answered to them: replies.

A limit that is empty is none; the defaults of a plan's fields are the plan of who has no other.
"""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from webhooks.kit.rows import Row, uid_format

__all__ = ["ApiKey", "Plan", "Reply", "Scope", "Tenant"]

MOST_EVENTS = 10**12  # per month
MOST_RATE = 1_000_000  # per second
MOST_ENDPOINTS = 1_000_000
MOST_BYTES = 1024**3


def _at_least(least: int, most: int) -> list[MinValueValidator | MaxValueValidator]:
    return [MinValueValidator(least), MaxValueValidator(most)]


class Plan(Row):
    """Limits that tenants share. One plan may be the default: that of every tenant which was given no other."""

    prefix = "pln"
    uid = models.CharField(
        max_length=256, null=True, blank=True, unique=True, validators=[uid_format], help_text="Your own id of it."
    )
    name = models.CharField(max_length=256)
    is_default = models.BooleanField(default=False, help_text="The plan of every tenant that was given no other.")
    events_per_month = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        validators=_at_least(0, MOST_EVENTS),
        help_text="Events taken in a calendar month (UTC); empty: no limit.",
    )
    publish_rate = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=_at_least(1, MOST_RATE),
        help_text="Events per second, sustained; one second's worth at once; empty: no limit.",
    )
    max_endpoints = models.PositiveIntegerField(
        null=True,
        blank=True,
        default=10_000,
        validators=_at_least(0, MOST_ENDPOINTS),
        help_text="Endpoints at a time; empty: no limit.",
    )
    max_event_bytes = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=_at_least(256, MOST_BYTES),
        help_text="Bytes of one event as it is sent; empty: the platform's own limit, which holds in any case.",
    )
    max_retention_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=_at_least(1, 3650),
        help_text="Days a tenant may have its events kept, at most; empty: no limit.",
    )
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["is_default"], condition=Q(is_default=True), name="one_default_plan"),
        ]

    def __str__(self) -> str:
        return self.name


class Tenant(Row):
    """A customer of the company that runs Waypost. Everything of the provider belongs to exactly one."""

    prefix = "tnt"
    uid = models.CharField(
        max_length=256,
        null=True,
        blank=True,
        unique=True,
        validators=[uid_format],
        help_text="Your own id of it.",
    )
    name = models.CharField(max_length=256)
    plan = models.ForeignKey(
        Plan,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="tenants",
        help_text="What it may use; empty: the default plan.",
    )
    metadata = models.JSONField(default=dict, blank=True)
    retention_days = models.PositiveSmallIntegerField(
        default=90,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text="Days an event and its finished deliveries are kept.",
    )
    routes_version = models.BigIntegerField(default=0, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    def __str__(self) -> str:
        return self.name


class Scope(models.TextChoices):
    PUBLISH = "publish", "Publish events"
    MANAGE = "manage", "Create and change everything else"
    READ = "read", "Read"


class ApiKey(Row):
    """A bearer key. Only its SHA-256 is kept: the key has full entropy, so a slow hash would add nothing."""

    prefix = "key"
    tenant = models.ForeignKey(
        Tenant,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="api_keys",
        help_text="Empty: an operator's key, for every tenant.",
    )
    name = models.CharField(max_length=256, blank=True)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    hint = models.CharField(max_length=16, editable=False, help_text="The first characters, to tell keys apart.")
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope.choices), default=list)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.hint}… {self.name}".strip()


class Reply(models.Model):
    """The answer to a request with an ``Idempotency-Key``: see `idempotency`."""

    name = models.BinaryField(primary_key=True, max_length=32, help_text="SHA-256 of the key, the address, and whose.")
    content = models.BinaryField(max_length=32, help_text="SHA-256 of what was asked for.")
    status = models.PositiveSmallIntegerField()
    ciphertext = models.BinaryField(help_text="Headers and body: they may hold what is shown once.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        app_label = "subscriptions"
        verbose_name_plural = "replies"
        indexes = [models.Index(fields=["created_at"], name="reply_age")]  # reader: idempotency.sweep

    def __str__(self) -> str:
        return f"{self.status} of {self.created_at}"
