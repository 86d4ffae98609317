"""Store what endpoints of every kind have, the secrets that sign their deliveries and the OAuth tokens sent with them.

What endpoints of the kind ``http`` have besides is in ``http.models``, that of every other kind in
``destinations.models``.

``Endpoint.version`` rises with every change of an endpoint or its secrets, so a process can tell when its cached
delivery target is stale. Triggers maintain it and ``secrets_changed_at`` (migrations/versions.sql): no writer can
forget it.
"""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q, Value
from django.utils import timezone

from subscriptions.endpoints.retry_plan import MAX_WAIT
from subscriptions.tenants.models import Tenant
from webhooks.kit.rows import Row, uid_format

POLL = "poll"  # the kind of endpoints whose deliveries consumers pull: no drain sends them
MAX_LATEST_ONLY = 256  # characters
MAX_RATE = 100_000  # attempts per rate period


def _between(least: int, most: int) -> list[MinValueValidator | MaxValueValidator]:
    return [MinValueValidator(least), MaxValueValidator(most)]


class Endpoint(Row):
    """Model a destination of a tenant that receives webhooks, and the limits that apply to it.

    ``kind`` is the transport of its deliveries; its settings are in ``endpoint.http``, or in ``endpoint.destination``
    if it is another one.
    Deleting sets ``deleted_at`` and keeps the row, since its deliveries refer to it.
    """

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        PAUSED = "paused", "Paused"
        DISABLED = "disabled", "Disabled"
        UNVERIFIED = "unverified", "Unverified"

    class DisabledReason(models.TextChoices):
        RESPONDED_410 = "responded_410", "410 Gone"
        FAILING = "failing", "Failing for days"
        OPERATOR = "operator", "By operator"

    class Ordering(models.TextChoices):
        NONE = "", "None"
        ENDPOINT = "endpoint", "All deliveries in order"
        SUBJECT = "subject", "In order per subject"
        PARTITIONKEY = "partitionkey", "In order per partitionkey"

    class RatePeriod(models.TextChoices):
        SECOND = "second", "Per second"
        MINUTE = "minute", "Per minute"

    prefix = "ep"
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="endpoints", db_index=False)
    uid = models.CharField("external ID", max_length=256, null=True, blank=True, validators=[uid_format])
    kind = models.CharField(
        max_length=32,
        default="http",
        db_default="http",
        editable=False,
        help_text="Type of destination: `http`, or another system that its deliveries are written to.",
    )
    description = models.CharField(max_length=1024, blank=True, help_text="Free text for people.")
    state = models.CharField(
        max_length=10,
        choices=State.choices,
        default=State.ACTIVE,
        help_text="While not active, deliveries wait up to seven days; after a 410 they become dead letters at once.",
    )
    disabled_reason = models.CharField(
        max_length=13,
        choices=DisabledReason.choices,
        blank=True,
        editable=False,
        help_text="Why the endpoint is disabled; empty in any other state.",
    )
    disabled_note = models.CharField(
        max_length=1024,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="What the operator who disabled it said; empty in any other state.",
    )
    state_changed_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text="When the state last changed."
    )
    repaired_at = models.DateTimeField(
        null=True, editable=False, help_text="When its owner or an operator last said that it works again; null: never."
    )
    allowed_rate = models.PositiveIntegerField(
        null=True, editable=False, help_text="Requests per minute that the endpoint allowed when verified; null: any."
    )
    timeout_ms = models.PositiveIntegerField(
        "timeout (ms)",
        default=15_000,
        validators=_between(1_000, 30_000),
        help_text="Milliseconds for one attempt, from its start to its end.",
    )
    max_in_flight = models.PositiveSmallIntegerField(
        default=512, validators=_between(1, 512), help_text="Maximum number of concurrent attempts."
    )
    rate_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=_between(1, MAX_RATE),
        help_text="Maximum number of attempts per `rate_period`; null: no limit.",
    )
    rate_period = models.CharField(
        max_length=6,
        choices=RatePeriod.choices,
        default=RatePeriod.SECOND,
        db_default=RatePeriod.SECOND,
        help_text="Unit of `rate_limit`.",
    )
    rate_burst = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=_between(1, MAX_RATE),
        help_text="Burst size: attempts that may start at once after a pause; null: a tenth of a second's rate.",
    )
    ordering = models.CharField(
        max_length=12,
        choices=Ordering.choices,
        default=Ordering.NONE,
        blank=True,
        help_text="Whether a failing delivery blocks those after it. Applies to events published from now on.",
    )
    latest_only = models.CharField(
        max_length=MAX_LATEST_ONLY,
        null=True,
        blank=True,
        help_text="Of the deliveries that wait, only the latest of each key is sent: `endpoint` (one key for all), "
        "`subject`, `partitionkey`, or a path into the event such as `$.data.order.id`; null: all are sent. Applies "
        "to events published from now on.",
    )
    retry_plan = ArrayField(
        models.PositiveIntegerField(validators=_between(1, MAX_WAIT)),
        null=True,
        blank=True,
        help_text="Seconds to wait after each failure; null: the default, 10 attempts over 75 h 35 min.",
    )
    batch = models.JSONField(
        null=True,
        blank=True,
        help_text="Events that share a request: at most `max_events` and `max_bytes`, sent `window_seconds` after the "
        "first of them; null: each event has a request of its own.",
    )
    on_success = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="Endpoint that gets an invocation record of each delivery that succeeded; null: none.",
    )
    on_failure = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        help_text="Endpoint that gets an invocation record of each delivery that ended without success; null: none.",
    )
    masks = models.JSONField(
        default=list,
        blank=True,
        db_default=Value([], models.JSONField()),
        help_text="Values of events that are removed, masked, hashed or encrypted for this endpoint.",
    )
    unmasked = models.BooleanField(
        default=False,
        db_default=False,
        help_text="Whether it receives events without the masks of their types. Only a platform key may set it. "
        "Applies to events published from now on.",
    )
    expires_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When it is deleted, and what still waits for it is cancelled, within a minute; null: never.",
    )
    metadata = models.JSONField(default=dict, blank=True)
    labels = models.JSONField(default=dict, blank=True, db_default=Value({}, models.JSONField()))
    secrets_changed_at = models.DateTimeField(
        null=True, editable=False, help_text="When a signing secret was last added, changed or deleted."
    )
    version = models.BigIntegerField(default=0, editable=False)
    updated_at = models.DateTimeField(auto_now=True, help_text="When it was last changed.")
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        app_label = "subscriptions"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "uid"], condition=Q(deleted_at=None), name="unique_endpoint_uid_per_tenant"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "id"], name="endpoint_by_tenant"),  # reader: GET /endpoints/
            models.Index(  # reader: the alert rules about disabled endpoints
                fields=["state_changed_at"],
                name="endpoint_disabled",
                condition=Q(state="disabled", deleted_at=None),
            ),
            models.Index(  # reader: delivery.lifecycle.expired_endpoints
                fields=["expires_at"], name="endpoint_expires", condition=Q(expires_at__isnull=False, deleted_at=None)
            ),
            # reader of both: results.forget, when the named endpoint is deleted
            models.Index(fields=["on_success"], name="endpoint_on_success", condition=Q(on_success__isnull=False)),
            models.Index(fields=["on_failure"], name="endpoint_on_failure", condition=Q(on_failure__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.description or self.address

    @property
    def address(self) -> str:
        """Return where its deliveries go, as its kind writes it (a URL for ``http``); empty without settings."""
        settings = getattr(self, self.settings_relation, None)
        return "" if settings is None else str(settings)

    @property
    def is_pulled(self) -> bool:
        """Return whether consumers pull its deliveries."""
        return self.kind == POLL

    @property
    def is_ordered(self) -> bool:
        """Return whether deliveries of the same key are sent one after the other."""
        return bool(self.ordering or self.latest_only)

    @property
    def settings_relation(self) -> str:
        """Return the name of the relation to the settings of its kind."""
        return "http" if self.kind == "http" else "destination"

    @property
    def rate_per_second(self) -> float | None:
        """Return the stricter of the owner's rate limit and the rate the endpoint allowed; None: no limit."""
        own = self.rate_limit and self.rate_limit / (60 if self.rate_period == self.RatePeriod.MINUTE else 1)
        allowed = self.allowed_rate and self.allowed_rate / 60
        return min((rate for rate in (own, allowed) if rate), default=None)


class SigningSecret(Row):
    """Model a secret that signs the deliveries of an endpoint. During a rotation several are valid, and all sign."""

    prefix = "sec"
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="secrets")
    ciphertext = models.BinaryField(editable=False)
    public_key = models.CharField(
        max_length=64,
        blank=True,
        default="",
        editable=False,
        help_text="Public key of an ed25519 key pair (v1a), as whpk_ text; empty for v1.",
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="When it stops signing; null: current secret.")

    class Meta:
        app_label = "subscriptions"
        constraints = [
            models.UniqueConstraint(
                fields=["endpoint"], condition=Q(expires_at=None), name="unique_current_secret_per_endpoint"
            ),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def signing(self) -> str:
        """Return the signature scheme of Standard Webhooks: v1 (HMAC-SHA256) or v1a (ed25519)."""
        return "v1a" if self.public_key else "v1"


class OAuthToken(models.Model):
    """Model the cached, encrypted OAuth access token of an endpoint: see oauth_tokens."""

    endpoint = models.OneToOneField(Endpoint, models.CASCADE, primary_key=True, related_name="token")
    ciphertext = models.BinaryField(editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "subscriptions"

    def __str__(self) -> str:
        return f"token of {self.endpoint_id}"
