"""Store alert rules, their channels, the alerts that they raise, and the messages that are to be sent about them.

An alert is one subject, such as an endpoint, for which the condition of a rule holds. What changes its state also
stores the message about that, so a message is neither lost nor sent twice by a crash.
"""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.timezone import now

from webhooks.kit.rows import KeyedRow, Row, uid_format

MAX_MINUTES = 10_080  # a week


def _minutes(**options: object) -> models.PositiveIntegerField:  # type: ignore[type-arg]
    return models.PositiveIntegerField(validators=[MaxValueValidator(MAX_MINUTES)], **options)  # type: ignore[arg-type]


class AlertRule(Row):
    """A condition that is evaluated every few seconds, and what happens when it holds.

    Without a tenant it is the operator's, and looks at all tenants. ``due_at`` is when it is evaluated next; empty if
    it is off. Evaluating locks the row.
    """

    class Severity(models.TextChoices):
        """How urgent the alerts of a rule are."""

        CRITICAL = "critical", "Critical"
        WARNING = "warning", "Warning"
        INFO = "info", "Information"

    prefix = "alr"
    tenant = models.ForeignKey(
        "subscriptions.Tenant",
        models.CASCADE,
        null=True,
        blank=True,
        related_name="alert_rules",
        db_index=False,
        help_text="Empty: the operator's rule, for all tenants.",
    )
    uid = models.CharField(
        "external ID", max_length=256, null=True, blank=True, validators=[uid_format], help_text="Your own ID."
    )
    name = models.CharField(max_length=256, help_text="Name shown in messages and lists.")
    condition = models.CharField(max_length=64, help_text="What is watched.")
    settings = models.JSONField(default=dict, blank=True, help_text="Settings of the condition, such as `above`.")
    severity = models.CharField(
        max_length=8, choices=Severity.choices, default=Severity.WARNING, help_text="How urgent the alerts are."
    )
    enabled = models.BooleanField(default=True, help_text="Whether the rule is evaluated.")
    for_minutes = _minutes(
        default=0, help_text="Minutes for which the condition has to hold until an alert fires. 0: at once."
    )
    keep_minutes = _minutes(
        default=0,
        help_text="Minutes for which the condition must not hold until an alert is resolved. Prevents a message for "
        "each change of something that goes up and down. 0: at once.",
    )
    reminder_minutes = _minutes(
        null=True,
        blank=True,
        help_text="Minutes after which a message is repeated while an alert fires and is not acknowledged; "
        "empty: never.",
    )
    is_built_in = models.BooleanField(
        default=False, editable=False, help_text="Whether it was there from the start; it can be switched off only."
    )
    due_at = models.DateTimeField(null=True, editable=False, db_default=Now(), help_text="When it is evaluated next.")
    evaluated_at = models.DateTimeField(null=True, editable=False, help_text="When it was last evaluated.")
    last_error = models.CharField(
        max_length=512,
        blank=True,
        default="",
        editable=False,
        help_text="Why it could not be evaluated; empty: it was.",
    )
    enabled_at = models.DateTimeField(default=now, editable=False, help_text="When it was last switched on.")
    firing_message_at = models.DateTimeField(null=True, editable=False)
    resolved_message_at = models.DateTimeField(null=True, editable=False)
    updated_at = models.DateTimeField(default=now, editable=False, help_text="When it was last changed.")
    deleted_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        app_label = "delivery"
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "uid"], condition=Q(deleted_at=None), name="unique_alert_rule_uid_per_tenant"
            ),
            models.UniqueConstraint(
                fields=["uid"], condition=Q(tenant=None, deleted_at=None), name="unique_alert_rule_uid_of_operator"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant", "id"], name="alert_rule_by_tenant"),  # readers: the list, the limit
            # readers: the schedule of the tasks, evaluate
            models.Index(fields=["due_at"], name="alert_rule_due", condition=Q(due_at__isnull=False)),
        ]
        permissions = [("acknowledge_alert", "Can acknowledge and snooze alerts")]

    def __str__(self) -> str:
        return self.name


class AlertAddress(Row):
    """An e-mail address of a tenant, to which alerts are sent once its owner has confirmed that."""

    prefix = "ala"
    tenant = models.ForeignKey("subscriptions.Tenant", models.CASCADE, related_name="+", db_index=False)
    address = models.EmailField(max_length=254)
    asked_at = models.DateTimeField(null=True, help_text="When the link was last sent.")
    confirmed_at = models.DateTimeField(null=True, help_text="When its owner opened the link and confirmed.")

    class Meta:
        app_label = "delivery"
        verbose_name_plural = "alert addresses"
        constraints = [models.UniqueConstraint(fields=["tenant", "address"], name="unique_alert_address_per_tenant")]

    def __str__(self) -> str:
        return self.address


class AlertChannel(KeyedRow):
    """Where the messages of a rule are sent, besides the subscriptions to ``waypost.alert.*``."""

    class Type(models.TextChoices):
        """Kinds of channels; the last two are the operator's."""

        ENDPOINT = "endpoint", "An endpoint, whatever its type"
        EMAIL = "email", "An e-mail address"
        APPRISE = "apprise", "A URL of Apprise"

    prefix = "alc"
    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="channel_rows")
    type = models.CharField(max_length=8, choices=Type.choices, help_text="Kind of channel.")
    endpoint = models.ForeignKey(
        "subscriptions.Endpoint", models.CASCADE, null=True, related_name="+", help_text="The endpoint."
    )
    subscription = models.ForeignKey(
        "subscriptions.Subscription", models.SET_NULL, null=True, related_name="+", help_text="Made for the channel."
    )
    address = models.ForeignKey(
        AlertAddress, models.CASCADE, null=True, related_name="+", help_text="The confirmed address of a tenant."
    )
    email = models.EmailField(max_length=254, blank=True, default="", help_text="The address.")
    ciphertext = models.BinaryField(null=True, editable=False, help_text="Encrypted: the URL of Apprise.")
    shown_url = models.CharField(max_length=256, blank=True, default="", help_text="The URL without its secrets.")

    class Meta:
        app_label = "delivery"

    def __str__(self) -> str:
        return f"{self.type} {self.email or self.shown_url or self.endpoint_id}"


class Alert(Row):
    """One subject for which the condition of a rule holds, or held: the history of alerts.

    ``step`` rises when it becomes worse (80 %, 100 %) and a further message is due; ``announced_step`` is the one that
    the latest message was about, -1 before the first.
    """

    class State(models.TextChoices):
        """A pending alert fires if its condition still holds after ``for_minutes``."""

        PENDING = "pending", "Pending"
        FIRING = "firing", "Firing"
        RESOLVED = "resolved", "Resolved"

    prefix = "alt"
    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="alerts", db_index=False)
    tenant = models.ForeignKey(
        "subscriptions.Tenant",
        models.CASCADE,
        null=True,
        related_name="+",
        db_index=False,
        help_text="Owner of the rule; empty: the operator.",
    )
    about_tenant = models.ForeignKey(
        "subscriptions.Tenant",
        models.CASCADE,
        null=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
        help_text="The tenant that the subject belongs to; empty: none.",
    )
    subject_type = models.CharField(max_length=16, help_text="Kind of the subject, such as `endpoint`.")
    subject = models.CharField(max_length=256, help_text="Id or name of the subject.")
    subject_name = models.CharField(max_length=256, help_text="The subject for people, such as a URL.")
    state = models.CharField(max_length=8, choices=State.choices, default=State.PENDING, help_text="Whether it fires.")
    since = models.DateTimeField(help_text="Since when the condition holds.")
    last_true_at = models.DateTimeField(help_text="When the condition was last seen to hold.")
    value = models.FloatField(null=True, help_text="The figure that is compared with the limit; empty: there is none.")
    message = models.CharField(max_length=1024, help_text="What is wrong, in a sentence.")
    step = models.PositiveSmallIntegerField(default=0, editable=False)
    announced_step = models.SmallIntegerField(default=-1, editable=False)
    announced_at = models.DateTimeField(null=True, editable=False, help_text="When its latest message was made.")
    is_end_due = models.BooleanField(default=False, editable=False, help_text="The message of its end is not made yet.")
    fired_at = models.DateTimeField(null=True, help_text="When it began to fire.")
    resolved_at = models.DateTimeField(null=True, help_text="When it was resolved.")
    acknowledged_at = models.DateTimeField(null=True, help_text="When a person took it on; no reminders since then.")
    acknowledged_by = models.CharField(max_length=256, blank=True, default="", help_text="The key or the admin user.")
    snoozed_until = models.DateTimeField(null=True, help_text="No reminders until then, and one if it still fires.")
    snoozed_by = models.CharField(max_length=256, blank=True, default="", help_text="The key or the admin user.")

    class Meta:
        app_label = "delivery"
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "subject"], condition=~Q(state="resolved"), name="unique_open_alert_per_subject"
            )
        ]
        indexes = [
            models.Index(fields=["tenant", "id"], name="alert_by_tenant"),  # reader: the list
            models.Index(fields=["rule", "id"], name="alert_by_rule"),  # reader: the history of a rule
            # readers: evaluate, the metrics, the admin
            models.Index(
                fields=["rule"], name="alert_open", condition=Q(state__in=["pending", "firing"]) | Q(is_end_due=True)
            ),
            # reader: delete_old_alerts
            models.Index(fields=["resolved_at"], name="alert_resolved", condition=Q(resolved_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.subject_type} {self.subject_name}"


class AlertMessage(Row):
    """A message that a channel of the type ``email`` or ``apprise`` gets; deliveries are those of endpoints."""

    class State(models.TextChoices):
        """A pending message is tried again until it is sent or has failed for too long."""

        PENDING = "pending", "Pending"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"

    class Kind(models.TextChoices):
        """Occasion of a message."""

        FIRING = "firing", "Alerts began"
        REMINDER = "reminder", "Alerts still fire"
        RESOLVED = "resolved", "Alerts ended"
        TEST = "test", "Test"
        CONFIRM = "confirm", "Confirmation of an address"

    prefix = "alm"
    rule = models.ForeignKey(AlertRule, models.CASCADE, null=True, related_name="messages")
    channel = models.ForeignKey(AlertChannel, models.CASCADE, null=True, related_name="messages")
    kind = models.CharField(max_length=8, choices=Kind.choices, help_text="Occasion of the message.")
    email = models.EmailField(max_length=254, blank=True, default="")
    title = models.CharField(max_length=256)
    text = models.TextField()
    state = models.CharField(max_length=7, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0, validators=[MinValueValidator(0)])
    next_attempt_at = models.DateTimeField(null=True, db_default=Now(), help_text="When it is sent; empty: it is over.")
    token = models.UUIDField(null=True, editable=False)
    last_error = models.CharField(max_length=512, blank=True, default="")
    sent_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "delivery"
        indexes = [
            # readers: the schedule of the tasks, claim
            models.Index(
                fields=["next_attempt_at"], name="alert_message_due", condition=Q(next_attempt_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.title
