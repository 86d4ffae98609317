"""Store the secret of each tenant from which its masking keys are derived."""

from django.db import models
from django.utils import timezone


class MaskingSecret(models.Model):
    """Model the random secret of a tenant that hashes and encrypts masked values. It never changes.

    Another secret would give equal values other hashes, and repeated events other digests. What changes are the keys
    that encrypt: each rotation of one derives the next.
    """

    tenant = models.OneToOneField("subscriptions.Tenant", models.CASCADE, primary_key=True, related_name="+")
    ciphertext = models.BinaryField(editable=False)
    rotations = models.JSONField(default=dict, editable=False, help_text="Times of the rotations of each key, by name.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        app_label = "subscriptions"

    def __str__(self) -> str:
        return f"masking secret of {self.tenant_id}"
