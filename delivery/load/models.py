"""Reports of processes about their load, and the figures of each minute: for the page Capacity and ``/status/``.

Nothing else depends on these rows, so the tables are not logged (``UNLOGGED``): a crash of the database empties them.
"""

from django.db import models
from django.db.models.functions import Now

from delivery.load.roles import ROLES


class ProcessReport(models.Model):
    """The last report of one process, a few seconds old unless it is idle or gone."""

    machine = models.CharField(max_length=255, help_text="Host name of the machine or container.")
    pid = models.PositiveIntegerField()
    reported_at = models.DateTimeField()
    cpu = models.FloatField(help_text="Processor time of the process, in processors: 1 is one of them.")
    machine_cpu = models.FloatField(
        help_text="Part of the machine's processors in use by any process, over about a minute, from 0 to 1."
    )

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"process {self.pid} on {self.machine}"


class DrainReport(ProcessReport):
    """The load of a drain, averaged over the seconds before ``reported_at``; one row for each worker process."""

    started_at = models.DateTimeField(help_text="When the drain started; a process runs one after the other.")
    load = models.FloatField(help_text="Part of the time spent in turns, from 0 to 1.")
    minute_load = models.FloatField(help_text="The same, averaged over about a minute.")
    waiting = models.FloatField(help_text="Part of the time spent in turns without using the processor, from 0 to 1.")
    turn_size = models.FloatField(help_text="Attempts started and ended in a turn, on average.")
    in_flight = models.PositiveIntegerField(help_text="Attempts in flight.")
    max_in_flight = models.PositiveIntegerField(help_text="Attempts that may be in flight.")
    held = models.PositiveIntegerField(help_text="Deliveries claimed ahead that are not sent yet.")
    lanes = models.PositiveIntegerField(help_text="Leased lanes.")
    claimed_per_second = models.FloatField()
    settled_per_second = models.FloatField()
    disk_free = models.FloatField(
        db_default=1.0, help_text="Part of the disk with the data directory that is free, from 0 to 1."
    )

    class Meta:
        app_label = "delivery"
        verbose_name_plural = "capacity"  # on the admin's pages
        constraints = [models.UniqueConstraint(fields=["machine", "pid"], name="unique_drain_report_per_process")]


class PublisherReport(ProcessReport):
    """The load of a process that publishes in groups: a web process."""

    requests_per_second = models.FloatField()
    max_waiting = models.PositiveIntegerField(help_text="Most requests that waited for the next group.")

    class Meta:
        app_label = "delivery"
        constraints = [models.UniqueConstraint(fields=["machine", "pid"], name="unique_publisher_report_per_process")]


class LoadMinute(models.Model):
    """The load of all drains, and the backlog, as measured once in a minute; kept for a day."""

    begins_at = models.DateTimeField(primary_key=True)
    drains = models.PositiveIntegerField(help_text="Drains that had reported within the last seconds.")
    used = models.FloatField(help_text="Part of the drains' capacity in use, from 0 to 1, averaged over the drains.")
    waiting = models.FloatField(help_text="Part of their time in which they waited for the database, from 0 to 1.")
    machine_cpu = models.FloatField(help_text="The same of the processors of the busiest machine.")
    published_per_second = models.FloatField()
    settled_per_second = models.FloatField()
    due = models.PositiveIntegerField(help_text="Deliveries due, counted up to a bound.")
    seconds_behind = models.FloatField(help_text="How long the oldest of those had waited for a drain.")

    class Meta:
        app_label = "delivery"

    def __str__(self) -> str:
        return f"{self.begins_at:%Y-%m-%d %H:%M}"


class Heartbeat(models.Model):
    """The last heartbeat of a program, which it writes every few seconds; deleted when the program ends.

    A program that is killed leaves its row, which becomes old: it is silent. Restarted, it writes the same row.
    """

    machine = models.CharField(max_length=255, help_text="Host name of the machine or container.")
    role = models.CharField(max_length=8, choices=ROLES)
    name = models.CharField(max_length=64, help_text="Name of the program on its machine.")
    pid = models.PositiveIntegerField("process ID")
    version = models.CharField(max_length=32, help_text="Version of the software that it runs.")
    started_at = models.DateTimeField()
    reported_at = models.DateTimeField()
    reporting_since = models.DateTimeField(
        db_default=Now(), help_text="Since when it has reported without a gap, by the database's clock."
    )
    cpu = models.FloatField(help_text="Processor time of the process, in processors: 1 is one of them.")
    memory = models.PositiveBigIntegerField(help_text="Bytes of memory in use, those shared with other programs too.")
    last_work = models.CharField(max_length=128, blank=True, help_text="What it did last.")
    last_work_at = models.DateTimeField(null=True)

    class Meta:
        app_label = "delivery"
        verbose_name = "process"
        verbose_name_plural = "processes"
        constraints = [models.UniqueConstraint(fields=["machine", "role", "name"], name="unique_heartbeat_per_program")]

    def __str__(self) -> str:
        return f"{self.name} on {self.machine}"
