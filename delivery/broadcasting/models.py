"""Store broadcasts: one event that is published for many tenants, in slices."""

from django.db import models
from django.db.models import Q

from webhooks.kit.jobs.job_row import JobRow


class Broadcast(JobRow):
    """A request to publish an event for many tenants, for each once, also after a crash.

    A slice and its ``cursor``, the last tenant, are committed together. Each tenant gets an event of its own, with the
    same source and id, so that a second publication would be a duplicate.
    """

    prefix = "brd"
    labels = models.JSONField(
        default=dict, help_text="Labels of the tenants that get the event, all of them; empty: all tenants."
    )
    source = models.CharField(max_length=1024, help_text="Source of the event.")
    event_id = models.CharField(max_length=512, help_text="The CloudEvent's own id, the same for every tenant.")
    type = models.CharField(max_length=256, help_text="Type of the event.")
    body = models.BinaryField(editable=False, help_text="The event, encrypted: it is not masked yet.")
    rate = models.PositiveIntegerField(default=100, help_text="Tenants per second, at most.")
    total = models.PositiveIntegerField(default=0, help_text="Tenants that matched when it was created.")
    published = models.PositiveIntegerField(default=0, help_text="Tenants for which the event was published so far.")
    failed = models.PositiveIntegerField(default=0, help_text="Tenants whose event was not accepted.")
    last_error = models.CharField(max_length=1024, blank=True, help_text="Why the latest of these was not accepted.")
    cursor = models.UUIDField(null=True, editable=False, help_text="The last tenant of the last slice.")

    class Meta:
        app_label = "delivery"
        indexes = [
            models.Index(fields=["id"], name="broadcast_running", condition=Q(state="running"))  # reader: run_slices
        ]

    def __str__(self) -> str:
        return f"broadcast {self.public_id}"

    @property
    def done(self) -> int:
        """Return for how many tenants it has published, or tried to."""
        return self.published + self.failed
