"""Define the columns of a job that is a row and runs in slices."""

from django.db import models
from django.utils import timezone

from webhooks.kit.rows import Row


class JobRow(Row):
    """A request for work that runs in slices. A subclass has the columns ``rate`` and ``total``, and ``done``."""

    class State(models.TextChoices):
        """A running job continues with every run of its task."""

        RUNNING = "running", "Running"
        FINISHED = "finished", "Finished"
        CANCELLED = "cancelled", "Cancelled"

    state = models.CharField(
        max_length=9, choices=State.choices, default=State.RUNNING, help_text="Whether it runs, or how it ended."
    )
    until_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text="Rows that were created later are not part of it."
    )
    sliced_at = models.DateTimeField(
        null=True, editable=False, help_text="The time up to which the rate is used; like Lane.next_slot_at."
    )
    requested_by = models.CharField(max_length=256, help_text="The API key or the admin user.")
    finished_at = models.DateTimeField(null=True, help_text="When it finished or was cancelled.")

    class Meta:
        abstract = True
