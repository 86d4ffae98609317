"""Define the keys with which values are stored: a value of each, never the key."""

from django.db import models
from django.db.models.functions import Now


class EncryptionKey(models.Model):
    """A key that has encrypted stored values: its fingerprint, and a value that only it decrypts."""

    fingerprint = models.CharField(max_length=16, primary_key=True, help_text="Beginning of the key's SHA-256, in hex.")
    ciphertext = models.BinaryField(help_text="The fingerprint, encrypted with the key.")
    created_at = models.DateTimeField(db_default=Now(), help_text="When the key was first used.")

    class Meta:
        app_label = "webhooks"

    def __str__(self) -> str:
        return self.fingerprint
