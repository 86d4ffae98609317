"""Store subscriptions: which events an endpoint receives, and in which form."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Func, IntegerField, Q, TextField
from django.db.models.functions import Cast, Coalesce

from subscriptions.endpoints.models import Endpoint
from subscriptions.routing.grant_models import Grant
from subscriptions.tenants.models import Tenant
from webhooks.kit.rows import Row, uid_format

# Event types by which a subscription gets operational events. Those without an asterisk are the types that exist.
OPERATIONAL_NAMES = [
    *("waypost.*", "waypost.alert.*", "waypost.alert.firing", "waypost.alert.resolved"),
    *("waypost.delivery.*", "waypost.delivery.dead"),
    *("waypost.endpoint.*", "waypost.endpoint.disabled", "waypost.endpoint.failing", "waypost.endpoint.recovered"),
    *("waypost.endpoint.rejecting", "waypost.source.*", "waypost.source.failing", "waypost.source.recovered"),
    *("waypost.delivery.failed", "waypost.delivery.succeeded", "waypost.receipt.failed", "waypost.receipt.processed"),
    "waypost.usage.hour",
]
SUCCEEDED = "waypost.delivery.succeeded"

BYTES_PER_TYPE = 512  # that an event type of a subscription takes in the memory of a process, about


def _bytes_of(field: str) -> Coalesce:
    """Return the expression for the bytes of a JSON field as text; 0 for null."""
    text = Cast(field, TextField())
    return Coalesce(Func(text, function="octet_length", output_field=IntegerField()), 0)


class Subscription(Row):
    """Model the events that an endpoint receives: by type, narrowed by a pattern, rewritten by a transformer."""

    prefix = "sub"
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="subscriptions", db_index=False)
    uid = models.CharField("external ID", max_length=256, null=True, blank=True, validators=[uid_format])
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, null=True, blank=True, related_name="subscriptions")
    endpoint_labels = models.JSONField(
        null=True, blank=True, help_text="In place of an endpoint: all endpoints of the tenant that have these labels."
    )
    grant = models.ForeignKey(
        Grant,
        models.SET_NULL,
        null=True,
        blank=True,
        db_index=False,
        related_name="subscriptions",
        help_text="Grant of another tenant whose events it receives, in place of those of its own tenant.",
    )
    event_types = ArrayField(
        models.CharField(max_length=256),
        default=list,
        help_text="Exact names, order.* for every type below order, or * for all types.",
    )
    pattern = models.JSONField(null=True, blank=True, help_text="Event pattern that the event must match; null: any.")
    transformer = models.JSONField(
        null=True,
        blank=True,
        help_text="How the body is made: input_paths and template, or jsonata; null: the whole event.",
    )
    description = models.CharField(max_length=1024, blank=True, help_text="Free text for people.")
    active = models.BooleanField(default=True, help_text="Whether the subscription matches events.")
    size = models.GeneratedField(
        expression=_bytes_of("pattern")
        + _bytes_of("transformer")
        + BYTES_PER_TYPE * Func("event_types", function="cardinality", output_field=IntegerField()),
        output_field=IntegerField(),
        db_persist=True,
        help_text="What the subscription counts in the limit of a plan on bytes.",
    )
    updated_at = models.DateTimeField(auto_now=True, help_text="When it was last changed.")

    class Meta:
        app_label = "subscriptions"
        constraints = [
            models.UniqueConstraint(fields=["tenant", "uid"], name="unique_subscription_uid_per_tenant"),
            models.CheckConstraint(
                condition=Q(endpoint__isnull=False, endpoint_labels__isnull=True)
                | Q(endpoint__isnull=True, endpoint_labels__isnull=False),
                name="subscription_to_endpoint_or_labels",
            ),
        ]
        indexes = [
            models.Index(  # readers: GET /subscriptions/, subscriptions_used
                fields=["tenant", "id"], include=["size"], name="subscription_by_tenant"
            ),
            models.Index(  # readers: the route table, explanations
                fields=["tenant"], name="subscription_by_label", condition=Q(endpoint=None)
            ),
            models.Index(  # reader: insert_operational_events, which asks whether a tenant wants such events
                fields=["tenant"],
                name="subscription_operational",
                condition=Q(event_types__overlap=OPERATIONAL_NAMES, active=True),
            ),
            models.Index(  # reader: read_shares
                fields=["grant"], name="subscription_by_grant", condition=Q(grant__isnull=False, active=True)
            ),
            models.Index(  # reader: find_subscribers, while deliveries are settled
                fields=["tenant"],
                name="subscription_to_successes",
                condition=Q(event_types__contains=[SUCCEEDED], active=True),
            ),
        ]

    def __str__(self) -> str:
        return ", ".join(self.event_types)
