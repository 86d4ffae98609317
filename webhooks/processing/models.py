"""Define the high-water mark of each order key (``sequence``) and the slow sources (``turns.slow_sources``)."""

from django.db import models
from django.db.models.functions import Now

from webhooks.kit.rows import KeyedRow
from webhooks.sources.models import Source


class LatestSequence(KeyedRow):
    """The greatest sequence value among the handled receipts of one order key."""

    source = models.ForeignKey(Source, models.CASCADE, related_name="sequences", db_index=False, db_constraint=False)
    order_key = models.CharField(max_length=256, blank=True)
    sequence = models.DecimalField(max_digits=38, decimal_places=9)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "order_key"], name="latest_sequence_unique")]
        indexes = [
            # reader: sweep.delete_statistics
            models.Index(fields=["updated_at"], name="latest_sequence_updated_at"),
        ]

    def __str__(self) -> str:
        return f"{self.order_key} {self.sequence}".strip()


class SlowSource(KeyedRow):
    """A source whose handlers were slow lately: its receipts run alone."""

    source = models.OneToOneField(Source, models.CASCADE, related_name="+", db_constraint=False)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.source_id} until {self.until:%Y-%m-%d %H:%M:%S}"
