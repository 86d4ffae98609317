"""Define the hourly counts of a source."""

from django.db import models

from webhooks.kit.rows import KeyedRow
from webhooks.sources.models import Source


class SourceHour(KeyedRow):
    """Counts of one source in one hour, written by ``source_counts``."""

    source = models.ForeignKey(Source, models.CASCADE, related_name="hours", db_index=False, db_constraint=False)
    starts_at = models.DateTimeField()
    received = models.BigIntegerField(default=0)
    duplicates = models.BigIntegerField(default=0)
    conflicts = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    throttled = models.BigIntegerField(default=0)
    processed = models.BigIntegerField(default=0)
    unhandled = models.BigIntegerField(default=0)
    handler_failures = models.BigIntegerField(default=0)
    dead = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "starts_at"], name="source_hour_unique")]
        indexes = [
            models.Index(fields=["starts_at"], name="source_hour_starts_at")  # reader: sweep.delete_statistics
        ]

    def __str__(self) -> str:
        return f"{self.source_id} {self.starts_at:%Y-%m-%d %H:00}"
