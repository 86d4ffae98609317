"""Publish that a source fails (``waypost.source.failing``) and that it works again (``waypost.source.recovered``).

A source fails for one of three reasons, the gravest last:

    endangered      the other system, or the position, is in danger: a slot that holds back WAL
    unavailable     a partition could not be read for FAILING_AFTER
    position_lost   the other system has deleted what follows the position, so records are missing

The reason that was reported is a column of the source. It and the event are stored by one transaction, in which the
column is changed by a guarded statement: so each is published once when it begins, and once when all partitions of the
source are read without a warning. A more serious reason is published as well. A pause reports nothing; a deletion ends
everything without an event.
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from webhooks.kit import sql
from webhooks.kit.operational_events import operational_event
from webhooks.models import Source
from webhooks.readers.leases import Failure
from webhooks.sources.kinds.kind import PositionLost, SourceUnavailable

FAILING_AFTER = 5 * 60.0  # seconds for which a partition cannot be read
ENDANGERED_EVERY = 60 * 60.0  # seconds from one report to the next of this reason, which may come and go

Reason = Source.FailingReason

_BEGIN = """
    UPDATE webhooks_source SET failing_reason = %(reason)s, failing_reported_at = statement_timestamp()
     WHERE id = %(id)s AND failing_reason = ANY(%(milder)s::text[]) AND deleted_at IS NULL AND paused_at IS NULL
       AND (%(reason)s <> 'endangered' OR failing_reported_at IS NULL
            OR failing_reported_at < statement_timestamp() - make_interval(secs => %(gap)s::float8))
    RETURNING id
"""
# Index: source_partition_unique. Runs only while a source is reported.
_END = """
    UPDATE webhooks_source AS source SET failing_reason = ''
     WHERE id = %(id)s AND failing_reason = %(reason)s
       AND NOT EXISTS (SELECT FROM webhooks_sourcepartition AS partition
                        WHERE partition.source_id = source.id
                          AND (partition.failing_since IS NOT NULL OR partition.warning <> ''))
    RETURNING id
"""


def report_failure(source: Source, partition: str, error: SourceUnavailable, failure: Failure) -> None:
    """Publish that a source cannot be read: at once if its position was lost, else after FAILING_AFTER."""
    is_lost = isinstance(error, PositionLost)
    if not is_lost and failure.seconds < FAILING_AFTER:
        return
    since = f"{failure.since:%Y-%m-%d %H:%M} UTC"
    begin = "Records are missing, and reading has stopped" if is_lost else f"The source cannot be read since {since}"
    details = {
        "failing_since": failure.since.isoformat(),
        "setting": error.setting,
        "message": f"{begin}: {failure.error}",
    }
    _begin(source, Reason.POSITION_LOST if is_lost else Reason.UNAVAILABLE, partition, details)


def report_danger(source: Source, partition: str, warning: str) -> None:
    """Publish that the other system, or the position of a source, is in danger."""
    _begin(source, Reason.ENDANGERED, partition, {"failing_since": None, "setting": "", "message": warning})


def report_recovery(source: Source) -> None:
    """Publish that a source works again, if it was reported as failing and all its partitions do."""
    if not source.failing_reason:
        return
    with transaction.atomic():
        if sql.run(_END, {"id": source.pk, "reason": source.failing_reason}):
            details = {"from": source.failing_reason, "message": "The source is read again."}
            _publish(source, "waypost.source.recovered", details)


def _begin(source: Source, reason: str, partition: str, details: Mapping[str, Any]) -> None:
    milder = ["", *Reason.values[: Reason.values.index(reason)]]
    if source.failing_reason not in milder:
        return
    values = {"id": source.pk, "reason": reason, "milder": milder, "gap": ENDANGERED_EVERY}
    with transaction.atomic():
        if sql.run(_BEGIN, values):
            _publish(source, "waypost.source.failing", {"reason": reason, "partition": partition, **details})


def _publish(source: Source, event_type: str, details: Mapping[str, Any]) -> None:
    about = {"source": source.public_id, "source_uid": source.uid, "name": source.name, "kind": source.kind}
    operational_event.send(Source, event_type=event_type, tenant_id=source.tenant_id, data={**about, **details})
