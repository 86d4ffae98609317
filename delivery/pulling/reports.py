"""Settle what a consumer reports of messages: acknowledged, failed with a reason, or still being processed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from django.db import transaction

from delivery.destinations.poll import DEFAULT_VISIBILITY, VISIBILITY_TIMEOUT
from delivery.models import Delivery
from delivery.notify import notify_consumers
from delivery.pulling.settling import PulledAttempt, acknowledged, failed, settle
from delivery.sql.pulled.handed_out import count_handed_out, extend_claims
from delivery.sql.pulled.settle_pulled import ReportedDelivery, lock_reported
from subscriptions.models import Endpoint
from subscriptions.routing.targets import DeliveryTarget


class Result(StrEnum):
    """Say what a report about one message has changed."""

    ACKNOWLEDGED = "acknowledged"
    FAILED = "failed"
    EXTENDED = "extended"
    TOO_LATE = "too_late"
    ENDED = "ended"
    UNKNOWN = "unknown"


RESULTS = [
    (Result.ACKNOWLEDGED.value, "It is delivered, by this report or an earlier one"),
    (Result.FAILED.value, "The attempt has failed; the retry plan goes on"),
    (Result.EXTENDED.value, "The visibility timeout begins anew"),
    (Result.TOO_LATE.value, "Its visibility timeout was over, or another attempt has begun; nothing was changed"),
    (Result.ENDED.value, "It is dead, cancelled or superseded; nothing was changed"),
    (Result.UNKNOWN.value, "The endpoint has no such message, or has not handed it out"),
]


@dataclass(frozen=True, slots=True)
class FailedReport:
    """A message that could not be processed. ``attempt``: its number; None: the one in progress.

    ``retry_after``: seconds before which it is not to be handed out again; None: as the retry plan says.
    """

    delivery_id: UUID
    reason: str = ""
    attempt: int | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """The reports of one consumer that are settled at once."""

    acknowledged: Sequence[UUID] = ()
    failed: Sequence[FailedReport] = ()
    extended: Sequence[UUID] = field(default=())


def visibility_of(target: DeliveryTarget) -> int:
    """Return the visibility timeout of an endpoint in seconds."""
    settings: Mapping[str, object] = {} if target.connection is None else target.connection.settings
    return int(str(settings.get(VISIBILITY_TIMEOUT, DEFAULT_VISIBILITY)))


def apply_report(endpoint: Endpoint, target: DeliveryTarget, report: Report) -> dict[UUID, Result]:
    """Settle what the report says; return the result for each message.

    An acknowledgement counts also after the visibility timeout, and while another consumer has the message. A failure
    counts only for the attempt in progress, so that a late one does not end that of another. A message that is reported
    twice at once is acknowledged.
    """
    failures = {it.delivery_id: it for it in report.failed}
    ids = {*report.acknowledged, *failures}
    with transaction.atomic():
        rows = lock_reported(endpoint.pk, list(ids))
        results: dict[UUID, Result] = {}
        attempts: list[PulledAttempt] = []
        for key in ids:
            is_acknowledged = key in set(report.acknowledged)
            results[key] = _judge(rows.get(key), None if is_acknowledged else failures[key])
            row = rows.get(key)
            if row is None or results[key] not in (Result.ACKNOWLEDGED, Result.FAILED):
                continue
            if row.state != Delivery.State.DELIVERED:
                attempts.append(_attempt(row, endpoint.pk, target, None if is_acknowledged else failures[key]))
        was_full = bool(attempts) and count_handed_out(endpoint.pk) >= target.max_in_flight
        settle(attempts)
        pending = [key for key in report.extended if key not in results]
        extended = extend_claims(endpoint.pk, pending, visibility_of(target)) if pending else set()
    results |= {key: Result.EXTENDED if key in extended else Result.TOO_LATE for key in pending}
    has_failed = Result.FAILED in results.values()
    if attempts and (target.is_ordered or was_full or has_failed):
        notify_consumers({endpoint.pk})
    return results


def _judge(row: ReportedDelivery | None, failure: FailedReport | None) -> Result:
    if row is None:
        return Result.UNKNOWN
    if row.state == Delivery.State.DELIVERED:
        return Result.ACKNOWLEDGED if failure is None else Result.TOO_LATE
    if row.state not in (Delivery.State.PENDING, Delivery.State.SENDING):
        return Result.ENDED
    if row.state == Delivery.State.PENDING and not row.attempts and not row.claims:
        return Result.UNKNOWN
    if failure is None:
        return Result.ACKNOWLEDGED
    is_current = failure.attempt is None or failure.attempt == row.attempts + 1
    return Result.FAILED if row.state == Delivery.State.SENDING and is_current else Result.TOO_LATE


def _attempt(
    row: ReportedDelivery, endpoint_id: UUID, target: DeliveryTarget, failure: FailedReport | None
) -> PulledAttempt:
    now = row.now.timestamp()
    outcome = (
        acknowledged(row.token, now) if failure is None else failed(row.token, now, failure.reason, failure.retry_after)
    )
    return PulledAttempt(row.id, endpoint_id, row.token, row.attempts, row.step, target.retry_plan, outcome)
