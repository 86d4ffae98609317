"""Store erasures: requests to erase what there is about one subject of a tenant, in slices."""

from django.db import models
from django.db.models import Q

from subscriptions.models import Tenant
from webhooks.kit.jobs.job_row import JobRow


class Erasure(JobRow):
    """A request to erase the data of all events about a subject.

    A slice and its ``cursor``, the last event, are committed together. When the tables are done, it goes through the
    archive (``is_in_archive``), and a slice is one object there, the last of which is ``archive_cursor``. The subject
    itself is removed when the job has ended; its keyed hash stays, so that it can be shown later what was erased, and
    not whose.
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
    archives = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Objects of the archive to search, when it was created."
    )
    archives_searched = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Objects of the archive searched so far."
    )
    archives_rewritten = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Those of them that contained such events, and were written anew without."
    )
    archives_missing = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Those of them that are not in the storage any more, such as expired ones."
    )
    erased_in_archive = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Archived events erased so far, with copies and invocation records."
    )
    is_in_archive = models.BooleanField(default=False, db_default=False, editable=False)
    archive_cursor = models.UUIDField(null=True, editable=False, help_text="The last object that was searched.")
    last_error = models.CharField(
        max_length=256,
        blank=True,
        default="",
        db_default="",
        help_text="Why it waits, such as for an archive that is away; empty: it does not.",
    )

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
