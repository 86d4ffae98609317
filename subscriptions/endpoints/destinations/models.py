"""Store what endpoints of every kind but ``http`` have: the settings and the encrypted credentials of their kind.

A change of a row raises ``Endpoint.version`` and ``Tenant.routes_version``, by triggers (migrations/versions.sql).
"""

from django.db import models

from subscriptions.endpoints.models import Endpoint


class DestinationSettings(models.Model):
    """Model where and how deliveries are sent to one endpoint that is not called by its URL: a queue, a table.

    Writers lock the endpoint first, as the trigger does after them, so that two of them never wait for each other.
    """

    endpoint = models.OneToOneField(Endpoint, models.CASCADE, primary_key=True, related_name="destination")
    settings = models.JSONField(default=dict, blank=True, help_text="Settings of the type, credentials excepted.")
    address = models.CharField(
        max_length=2048, default="", blank=True, editable=False, help_text="Where deliveries go, without credentials."
    )
    ciphertext = models.BinaryField(null=True, editable=False, help_text="Encrypted: the credentials.")
    settings_changed_at = models.DateTimeField(
        null=True, editable=False, help_text="When settings or credentials last changed."
    )

    class Meta:
        app_label = "subscriptions"
        verbose_name_plural = "destination settings"

    def __str__(self) -> str:
        return self.address
