"""Define the partitions of sources that are read: where reading goes on, who reads, and how far it is behind."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from webhooks.kit.rows import KeyedRow
from webhooks.sources.models import Source


class SourcePartition(KeyedRow):
    """A partition of a source, or the whole of one that has none: what one worker reads at a time.

    It is due at ``next_read_at``. A lease is a token, and a time in the future at which the partition is due again if
    the worker died. Paused and deleted sources are never due.
    """

    prefix = "par"
    source = models.ForeignKey(Source, models.CASCADE, related_name="partitions", db_index=False)
    owner = models.UUIDField(editable=False, help_text="Its tenant, or its source if no tenant owns it: takes turns.")
    name = models.CharField(max_length=256, blank=True, help_text="Partition or shard; empty: the whole source.")
    position = models.JSONField(null=True, help_text="Where reading goes on, in the terms of the source's system.")
    next_read_at = models.DateTimeField(null=True, db_default=Now(), help_text="When it is read next; null: not now.")
    lease_token = models.UUIDField(null=True, editable=False)
    records = models.BigIntegerField(db_default=0, help_text="Records fetched, with those fetched again.")
    last_record_at = models.DateTimeField(null=True, help_text="When the latest record was stored.")
    last_read_at = models.DateTimeField(
        null=True, help_text="When it was last read, whether or not there was a record."
    )
    lag_records = models.BigIntegerField(null=True, help_text="Records that are not read yet; null: not known.")
    lag_seconds = models.FloatField(null=True, help_text="Age of the oldest of these in seconds; null: not known.")
    lag_bytes = models.BigIntegerField(
        null=True, help_text="What the other system keeps for this reader, in bytes; null: not known."
    )
    warning = models.TextField(
        db_default="", blank=True, help_text="What endangers the source or the other system; empty: nothing."
    )
    failures = models.PositiveIntegerField(db_default=0, help_text="Failed attempts to read since the last success.")
    failing_since = models.DateTimeField(null=True, help_text="Time of the first of them; null: reading works.")
    last_error = models.TextField(db_default="", blank=True, help_text="Why reading failed last; empty: it works.")
    error_setting = models.CharField(
        max_length=128, db_default="", blank=True, help_text="The setting to correct, such as settings.topic."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "name"], name="source_partition_unique")]
        indexes = [
            # reader: leases, which walks over the owners
            models.Index(
                fields=["owner", "next_read_at"], name="source_partition_due", condition=Q(next_read_at__isnull=False)
            ),
            # reader: leases.HAS_DUE
            models.Index(
                fields=["next_read_at"], name="source_partition_next", condition=Q(next_read_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source_id} {self.name}".strip()
