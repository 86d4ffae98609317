"""Write the status of the platform as JSON."""

from typing import Any

from rest_framework import serializers

from config.status.status import PlatformStatus
from delivery.api.endpoints.lane_status import BEHIND_BECAUSE
from delivery.load.assessment import Busy, BusyBecause
from delivery.models import Delivery, DrainReport, PublisherReport
from delivery.reading.lanes_behind import LaneBehind
from delivery.reading.platform_load import drain_load
from subscriptions.models import Endpoint, Tenant
from webhooks.kit.rest.fields.references import IdField
from webhooks.version import VERSION

BUSY = [
    (Busy.NO.value, "There is capacity to spare"),
    (Busy.SOON.value, "More capacity is needed soon"),
    (Busy.ADD_CAPACITY.value, "More capacity is needed now"),
]
BECAUSE = [
    (BusyBecause.NOTHING.value, "Nothing is exhausted"),
    (BusyBecause.NO_DRAINS.value, "Deliveries are due, and no drain is running"),
    (BusyBecause.DATABASE.value, "The drains wait for the database most of the time"),
    (BusyBecause.MACHINE.value, "The processors of a machine are in use"),
    (BusyBecause.DRAINS.value, "The drains are busy, and the machines have processors to spare"),
    (BusyBecause.PLACES.value, "The drains have as many attempts in flight as they can"),
    (BusyBecause.WEB.value, "A web process uses all of a processor"),
]


class PartField(serializers.FloatField):
    """A part from 0 to 1, to three digits."""

    def to_representation(self, value: Any) -> Any:
        """Return the rounded value."""
        return round(float(value), 3)


class RateField(serializers.FloatField):
    """A number per second, or of seconds, to one digit."""

    def to_representation(self, value: Any) -> Any:
        """Return the rounded value."""
        return round(float(value), 1)


class BacklogSerializer(serializers.Serializer[PlatformStatus]):
    """The backlog, and how fast it comes and goes."""

    due = serializers.IntegerField(
        source="load.due",
        help_text="Deliveries that are due and not claimed by a drain, counted up to 50,000, those of failing "
        "endpoints included.",
    )
    due_is_lower_bound = serializers.BooleanField(
        source="load.due_is_lower_bound", help_text="Whether there are more than `due`."
    )
    seconds_behind = RateField(
        source="load.seconds_behind",
        help_text="Seconds that the oldest delivery has waited for a drain; 0: none has waited for 5 s. What an "
        "endpoint's own limits hold back is not counted.",
    )
    in_flight = serializers.IntegerField(source="load.in_flight", help_text="Attempts in flight.")
    published_per_second = RateField(
        source="load.published_per_second", help_text="Events accepted per second, over the last 10 s."
    )
    settled_per_second = RateField(
        source="load.settled_per_second", help_text="Attempts that ended and were recorded per second."
    )
    waiting_for_commit = serializers.IntegerField(
        source="load.max_waiting",
        help_text="Most requests that waited at once for the next shared commit, in one web process, lately.",
    )
    receipts_due = serializers.IntegerField(
        source="receipts.due",
        help_text="Received messages whose handlers should run now, counted up to 1,000 of each source.",
    )
    receipts_seconds_behind = RateField(
        source="receipts.seconds_behind", help_text="Seconds that the oldest of these has been due; 0: none is."
    )


class StatusSummarySerializer(serializers.Serializer[PlatformStatus]):
    """Whether the platform needs more capacity, and the figures that say so."""

    version = serializers.CharField(default=VERSION, help_text="Version of the software that responds.")
    measured_at = serializers.DateTimeField(source="load.at", help_text="When it was measured.")
    busy = serializers.ChoiceField(
        BUSY, source="load.assessment.busy", help_text="Whether the platform needs more capacity."
    )
    because = serializers.ChoiceField(
        BECAUSE, source="load.assessment.because", help_text="What is exhausted, or will be first."
    )
    reason = serializers.CharField(source="load.assessment.reason", help_text="The same in words, with numbers.")
    advice = serializers.CharField(
        source="load.assessment.advice", help_text="What to do about it; empty: nothing is to be done."
    )
    used = PartField(source="load.used", help_text="Part of the drains' capacity in use, from 0 to 1.")
    waiting_for_database = PartField(
        source="load.waiting", help_text="Part of the drains' time in which they wait for the database, from 0 to 1."
    )
    machine_cpu = PartField(
        source="load.machine_cpu", help_text="Part of the processors in use of the busiest machine, from 0 to 1."
    )
    drain_count = serializers.SerializerMethodField(help_text="Drains that reported within the last 20 s.")
    behind_count = serializers.SerializerMethodField(
        help_text="Endpoints with a delivery that has been due for more than 5 s, counted up to 20."
    )
    backlog = BacklogSerializer(source="*", help_text="What waits, and how fast it comes and goes.")

    def get_drain_count(self, status: PlatformStatus) -> int:
        """Return the number of drains."""
        return len(status.load.drains)

    def get_behind_count(self, status: PlatformStatus) -> int:
        """Return the number of lanes that are behind."""
        return len(status.load.behind)


class DrainSerializer(serializers.Serializer[DrainReport]):
    """A drain: a process that sends deliveries. Averages are over the 5 s before `reported_at`."""

    machine = serializers.CharField(help_text="Host name of the machine or container.")
    pid = serializers.IntegerField(help_text="Id of the process.")
    started_at = serializers.DateTimeField(help_text="When the drain started.")
    reported_at = serializers.DateTimeField(help_text="When it reported these figures.")
    used = serializers.SerializerMethodField(
        help_text="Part of its capacity in use, over the last minute, from 0 to 1. It is less than `load` because a "
        "drain can do more in larger turns."
    )
    load = PartField(help_text="Part of the time spent working instead of waiting for work, from 0 to 1.")
    waiting_for_database = PartField(
        source="waiting",
        help_text="Part of the time spent waiting for the database, or for a processor where none is free.",
    )
    cpu = PartField(help_text="Processors that the process uses: 1 is one of them.")
    machine_cpu = PartField(
        help_text="Part of the machine's processors in use by any process, over about a minute, from 0 to 1."
    )
    turn_size = RateField(help_text="Attempts started and ended in a turn of its loop, on average.")
    in_flight = serializers.IntegerField(help_text="Attempts in flight.")
    max_in_flight = serializers.IntegerField(help_text="Attempts that may be in flight.")
    claimed_ahead = serializers.IntegerField(source="held", help_text="Deliveries claimed that are not sent yet.")
    lanes = serializers.IntegerField(help_text="Endpoints whose queues it leases.")
    claimed_per_second = RateField(help_text="Deliveries claimed per second.")
    settled_per_second = RateField(help_text="Attempts that ended and were recorded per second.")

    def get_used(self, report: DrainReport) -> float:
        """Return the part of its capacity in use."""
        return round(drain_load(report).used, 3)


class PublisherSerializer(serializers.Serializer[PublisherReport]):
    """A web process that published events lately."""

    machine = serializers.CharField(help_text="Host name of the machine or container.")
    pid = serializers.IntegerField(help_text="Id of the process.")
    reported_at = serializers.DateTimeField(help_text="When it reported these figures.")
    cpu = PartField(help_text="Processors that the process uses: it can use one.")
    machine_cpu = PartField(help_text="Part of the machine's processors in use by any process, from 0 to 1.")
    requests_per_second = RateField(help_text="publishing requests per second.")
    waiting_for_commit = serializers.IntegerField(
        source="max_waiting", help_text="Most requests that waited at once for the next shared commit."
    )


class LaneBehindSerializer(serializers.Serializer[LaneBehind]):
    """An endpoint with a delivery that has been due for more than 5 s, and why."""

    endpoint = IdField(Endpoint.prefix, source="endpoint.pk", help_text="Id of the endpoint.")
    tenant = IdField(Tenant.prefix, source="endpoint.tenant_id", help_text="Id of its tenant.")
    due_since = serializers.DateTimeField(help_text="Since when the oldest of its deliveries has been due.")
    seconds = RateField(help_text="The same in seconds.")
    because = serializers.ChoiceField(BEHIND_BECAUSE, help_text="Why it is behind.")
    explanation = serializers.CharField(help_text="The same in words.")
    blocking_delivery = IdField(
        Delivery.prefix,
        source="blocker.delivery_id",
        allow_null=True,
        default=None,
        help_text="Delivery that blocks those behind it, if that is why; null otherwise.",
    )


class StatusSerializer(StatusSummarySerializer):
    """How busy the platform is, in full."""

    drains = DrainSerializer(many=True, source="load.drains", help_text="Drains that reported within the last 20 s.")
    publishers = PublisherSerializer(
        many=True, source="load.publishers", help_text="Web processes that published within the last 20 s."
    )
    lanes_behind = LaneBehindSerializer(
        many=True, source="load.behind", help_text="Endpoints that are behind, up to 20, the worst first."
    )


def summary(status: PlatformStatus) -> dict[str, Any]:
    """Return the status without anything that identifies a machine or a customer."""
    return dict(StatusSummarySerializer(status).data)
