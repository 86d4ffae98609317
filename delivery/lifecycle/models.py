"""Store erasures: requests to erase what there is about one subject of a tenant, in slices."""

from django.db import models
from django.db.models import Q

from subscriptions.models import Tenant
from webhooks.kit.jobs.job_row import JobRow


class Erasure(JobRow):
    """A request to erase the data of all events about a subject.

    A slice and its ``cursor``, the last event, are committed together. The subject itself is removed when the job has
    ended; its keyed hash stays, so that it can be shown later what was erased, and not whose.
    """

    prefix = "era"
    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="erasures", db_index=False)
    subject = models.TextField(blank=True, help_text="The subject, while the erasure runs; empty when it has ended.")
    subject_hash = models.CharField(max_length=64, help_text="Keyed hash of the subject, as masks write it.")
    rate = models.PositiveIntegerField(default=100, help_text="Events per second, at most.")
    total = models.PositiveIntegerField(default=0, help_text="Events that matched when it was created.")
    erased = models.PositiveIntegerField(default=0, help_text="Events erased so far.")
    deliveries = models.PositiveIntegerField(
        default=0, help_text="Deliveries of these events whose bodies, responses and dead letters were erased."
    )
    cancelled = models.PositiveIntegerField(default=0, help_text="Deliveries that were unfinished and are cancelled.")
    receipts = models.PositiveIntegerField(default=0, help_text="Receipts of these events that were erased.")
    cursor = models.UUIDField(null=True, editable=False, help_text="The last event of the last slice.")

    class Meta:
        app_label = "delivery"
        indexes = [
            models.Index(fields=["tenant", "id"], name="erasure_by_tenant"),  # reader: the list of a tenant
            models.Index(fields=["id"], name="erasure_running", condition=Q(state="running")),  # reader: run_slices
        ]
        permissions = [("erase_event", "Can erase events")]

    def __str__(self) -> str:
        return f"erasure {self.public_id}"

    @property
    def done(self) -> int:
        """Return how many events were erased."""
        return self.erased
