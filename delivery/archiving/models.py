"""Define the index of the archive, a row for each object in storage, and the status of archiving."""

from django.db import models

from subscriptions.models import Row, Tenant


class Archive(Row):
    """An object that holds events of one tenant and hour, which retention has deleted from the tables.

    Written in the transaction that deletes the events, after the object: what a row names is stored, and what is
    deleted has a row. ``created_at`` is when it was archived; its id has the time of the hour, so ids sort by hour. An
    erasure writes the object anew under another key.
    """

    prefix = "arc"
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="archives", db_index=False)
    begins_at = models.DateTimeField(help_text="The full hour (UTC) in which its events were published.")
    key = models.CharField(max_length=255, unique=True, help_text="Name of the object in the storage.")
    events = models.PositiveIntegerField(help_text="Events in it.")
    deliveries = models.PositiveIntegerField(help_text="Deliveries of these events.")
    types = models.JSONField(help_text="Number of events by type.")
    bytes = models.PositiveIntegerField(help_text="Size of the object, compressed.")
    sha256 = models.CharField(max_length=64, help_text="SHA-256 of the object, in hex.")
    rewritten_at = models.DateTimeField(
        null=True, help_text="When an erasure last wrote it anew, without some data; empty: it is as it was archived."
    )
    rewritten_by = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="Id of the last erasure that wrote it anew."
    )

    class Meta:
        app_label = "delivery"
        verbose_name = "archived hour"
        indexes = [
            # readers: the list of a tenant, replays from the archive, manage.py archives
            models.Index(fields=["tenant", "id"], name="archive_by_tenant"),
        ]

    def __str__(self) -> str:
        return f"archive {self.public_id}: {self.begins_at:%Y-%m-%d %H}h"


class ArchiveStatus(models.Model):
    """How archiving stands: one row, which each run of retention writes where an archive is set up."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    ran_at = models.DateTimeField(help_text="When retention last ran.")
    failing_since = models.DateTimeField(
        null=True, help_text="Since when the storage cannot be written; empty: it can, or nothing was to be written."
    )
    error = models.TextField(blank=True, help_text="Why it could not be written last; empty: it could.")
    due_since = models.DateTimeField(
        null=True, help_text="When the oldest events that wait for the archive were due for it; empty: none waits."
    )

    class Meta:
        app_label = "delivery"
        verbose_name_plural = "archive status"

    def __str__(self) -> str:
        return f"archive: {self.error or 'written'}"
