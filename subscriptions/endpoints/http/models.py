"""Store what only endpoints of the kind ``http`` have.

A change of a row raises ``Endpoint.version`` and ``Tenant.routes_version``, by triggers (migrations/versions.sql).
"""

from django.db import models

from subscriptions.endpoints.models import Endpoint


class HttpSettings(models.Model):
    """Model how deliveries are sent to one endpoint over HTTP: URL, headers, authentication, TLS, content mode.

    Writers lock the endpoint first, as the trigger does after them, so that two of them never wait for each other.
    """

    class Verification(models.TextChoices):
        UNVERIFIED = "unverified", "Unverified"
        REQUESTED = "requested", "Requested"
        VERIFIED = "verified", "Verified"

    class ContentMode(models.TextChoices):
        STRUCTURED = "structured", "Structured: the CloudEvent as JSON"
        BINARY = "binary", "Binary: data in the body, attributes in headers"
        REFERENCE = "reference", "Reference: the CloudEvent as JSON with a link to its data"

    endpoint = models.OneToOneField(Endpoint, models.CASCADE, primary_key=True, related_name="http")
    url = models.CharField("URL", max_length=2048, help_text="Address that receives the deliveries.")
    origin = models.CharField(max_length=300, default="", editable=False, help_text="Scheme, host and port of the URL.")
    url_changed_at = models.DateTimeField(null=True, editable=False, help_text="When the URL last changed.")
    credentials_changed_at = models.DateTimeField(
        null=True, editable=False, help_text="When headers, authentication or TLS last changed."
    )
    content_mode_changed_at = models.DateTimeField(
        null=True, editable=False, help_text="When the content mode last changed."
    )
    verification = models.CharField(
        max_length=10,
        choices=Verification.choices,
        default=Verification.UNVERIFIED,
        editable=False,
        help_text="Whether the endpoint has confirmed that it wants deliveries.",
    )
    verified_at = models.DateTimeField(null=True, editable=False, help_text="When the endpoint confirmed.")
    verification_key_digest = models.BinaryField(max_length=32, null=True, unique=True, editable=False)
    verification_requested_at = models.DateTimeField(null=True, editable=False)
    headers = models.JSONField(
        default=dict, blank=True, help_text="Names of the custom headers; the values are encrypted."
    )
    auth = models.JSONField(
        "authentication (secrets hidden)", default=dict, blank=True, help_text="Authentication without its secrets."
    )
    tls = models.JSONField(
        "TLS",
        default=dict,
        blank=True,
        help_text="Subject and expiry of the client certificate and certificate authority.",
    )
    ciphertext = models.BinaryField(null=True, editable=False, help_text="Encrypted: headers, auth and tls in full.")
    content_mode = models.CharField(
        max_length=10,
        choices=ContentMode.choices,
        default=ContentMode.STRUCTURED,
        help_text="How the CloudEvent is sent.",
    )
    reference_above_bytes = models.PositiveIntegerField(
        "send link instead of payload above (bytes)",
        null=True,
        blank=True,
        help_text="Size of the data in bytes above which a link is sent instead, in any content mode; null: never.",
    )
    failure_pattern = models.JSONField(
        null=True,
        blank=True,
        help_text="Event pattern on the JSON body of a 2xx response that says that the delivery failed; null: none.",
    )
    connector = models.CharField(
        max_length=64,
        blank=True,
        default="",
        editable=False,
        help_text="Name of the connector that the endpoint was created from; empty: none.",
    )

    class Meta:
        app_label = "subscriptions"
        verbose_name_plural = "HTTP settings"
        indexes = [
            models.Index(fields=["origin"], name="http_settings_by_origin"),  # reader: origins
            models.Index(  # reader: the alert rules about certificates that end
                fields=["endpoint"], name="http_settings_with_tls", condition=~models.Q(tls={})
            ),
        ]

    def __str__(self) -> str:
        return self.url
