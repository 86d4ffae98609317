"""Store portal links, each with the one session that it opens."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from subscriptions.endpoints.models import Endpoint
from subscriptions.tenants.models import Tenant
from webhooks.kit.rows import Row


class Capability(models.TextChoices):
    """List what a portal session allows."""

    VIEW = "view", "Look at everything"
    MANAGE = "manage", "Manage"
    REPLAY = "replay", "Replay"
    SECRETS = "secrets", "Secrets"
    PAYLOADS = "payloads", "Payloads"


class PortalLink(Row):
    """Model a one-time link to the portal of a tenant, and the session that was opened with it.

    Link and session have a token each, of 256 random bits, of which only the SHA-256 is stored.
    """

    prefix = "plk"
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="portal_links", db_index=False)
    endpoint = models.ForeignKey(  # without a constraint: emptying the table of endpoints must not empty this one
        Endpoint,
        models.CASCADE,
        null=True,
        related_name="portal_links",
        db_constraint=False,
        help_text="The only endpoint that the session may see; null: all of the tenant.",
    )
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    session_digest = models.BinaryField(max_length=32, null=True, unique=True, editable=False)
    capabilities = ArrayField(
        models.CharField(max_length=16, choices=Capability.choices), help_text="What the session allows."
    )
    theme = models.JSONField(default=dict, help_text="How the pages look.")
    language = models.CharField(max_length=8, blank=True, help_text="Language of the pages; empty: the browser's.")
    user = models.CharField(
        max_length=256, blank=True, help_text="Who the link is for, as activities name it: an id or an e-mail address."
    )
    return_url = models.CharField(
        max_length=2048, blank=True, help_text="Where the pages lead back to, on your own site."
    )
    created_by = models.CharField(max_length=320, help_text="First characters and name of the key that created it.")
    expires_at = models.DateTimeField(help_text="When the link can no longer be opened.")
    session_seconds = models.PositiveIntegerField(help_text="Seconds that the session lasts once it is opened.")
    opened_at = models.DateTimeField(null=True, help_text="When the link was opened; null: it was not.")
    opened_from = models.CharField(max_length=45, blank=True, help_text="IP address that opened it.")
    session_expires_at = models.DateTimeField(null=True, help_text="When the session ends; null: there is none yet.")
    last_used_at = models.DateTimeField(null=True, help_text="When the session was last used, to the minute.")
    revoked_at = models.DateTimeField(null=True, help_text="When link and session were revoked; null: they were not.")

    class Meta:
        app_label = "subscriptions"
        indexes = [
            models.Index(fields=["tenant", "id"], name="portal_link_by_tenant"),  # reader: GET /portal-links/
            models.Index(fields=["expires_at"], name="portal_link_by_expiry"),  # reader: delete_expired
        ]

    def __str__(self) -> str:
        return self.user or self.public_id
