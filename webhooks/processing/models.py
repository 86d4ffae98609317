"""Define replays of receipts (``replays``), the mark of each order key (``sequence``), and slow sources (``turns``)."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from webhooks.kit.jobs.job_row import JobRow
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


class ReceiptReplay(JobRow):
    """A request to run the handlers again on receipts: a filter and a rate; a crash repeats no slice.

    The receipts are taken source by source, each source's oldest first: ``cursor`` is the last one that a slice looked
    at, ``source_cursor`` its source.
    """

    prefix = "rrp"
    tenant_id = models.UUIDField("tenant ID", null=True, help_text="Empty: the sources of all tenants.")
    filter = models.JSONField(help_text="Conditions, which are those of the list of receipts.")
    rate = models.PositiveIntegerField(default=100, help_text="Receipts made due per second, at most.")
    total = models.PositiveIntegerField(default=0, help_text="Receipts that matched when it was created.")
    is_lower_bound = models.BooleanField(
        default=False, help_text="Whether counting stopped at its limit: there may have been more."
    )
    replayed = models.PositiveIntegerField(default=0, help_text="Receipts made due so far.")
    source_cursor = models.UUIDField(null=True, editable=False)
    cursor = models.UUIDField(null=True, editable=False)

    class Meta:
        verbose_name = "replay of receipts"
        verbose_name_plural = "replays of receipts"
        indexes = [
            # reader: the list of a tenant
            models.Index(fields=["tenant_id", "id"], name="receipt_replay_tenant"),
            # reader: replays.run_slices
            models.Index(fields=["id"], name="receipt_replay_running", condition=Q(state="running")),
        ]

    def __str__(self) -> str:
        return f"replay {self.public_id}"

    @property
    def done(self) -> int:
        """Return how many receipts it has made due."""
        return self.replayed

    @property
    def estimated(self) -> bool:
        """Return whether the total is not exact."""
        return self.is_lower_bound
