"""Log lines of the provider, one function per line. What is counted is in ``delivery.metrics``.

Log events are lower-case phrases, with ids and numbers as fields. Code that runs per delivery only counts.
"""

from typing import Protocol
from uuid import UUID

import structlog

from delivery.models import AlertRule, Archive, Broadcast, DeadLetterJob, Erasure, Replay
from webhooks.kit.tracing.context import trace_id_of
from webhooks.wire.ids import public

log = structlog.get_logger("delivery")


def delivery_run_finished(attempts: int, seconds: float) -> None:
    """Log the end of a drain that made attempts."""
    if attempts:
        log.info("delivery run finished", attempts=attempts, seconds=round(seconds, 3))


def token_request_failed(endpoint_id: UUID, error: Exception) -> None:
    """Log that an endpoint's OAuth token could not be fetched."""
    log.warning("token request failed", endpoint=public("ep", endpoint_id), error=type(error).__name__)


def not_sent(delivery_id: UUID, error: Exception | None) -> None:
    """Log an internal error that kept a delivery from being sent; a misconfigured endpoint is not logged."""
    if error is not None:
        log.error("delivery not sent", delivery=public("dlv", delivery_id), exc_info=error)


def fan_out_failed(event_id: UUID, error: Exception) -> None:
    """Log that a slice of a tenant's deferred fan-outs failed, at this event; it is tried again."""
    log.error("deferred fan-out failed", event_id=public("evt", event_id), exc_info=error)


def attempts_not_started(count: int) -> None:
    """Log attempts that this process had no files, memory or lookups left for; they are not recorded."""
    log.warning("attempts not started", count=count)


def clock_went_back(seconds: float) -> None:
    """Log that the database's clock went back."""
    log.warning("database clock went back", seconds=round(seconds, 3))


def replay_failed(replay_id: UUID, error: Exception) -> None:
    """Log that a slice of a replay failed; it is tried again."""
    log.error("replay failed", replay=public("rpl", replay_id), exc_info=error)


class Delivering(Protocol):
    """A delivery, as far as log lines name it."""

    @property
    def id(self) -> UUID: ...  # noqa: D102
    @property
    def event_id(self) -> UUID: ...  # noqa: D102
    @property
    def endpoint_id(self) -> UUID: ...  # noqa: D102
    @property
    def traceparent(self) -> str | None: ...  # noqa: D102


def endpoint_changed(what: str, tenant_id: UUID, delivery: Delivering, **fields: object) -> None:
    """Log a change of an endpoint's state, with the delivery whose attempt made it."""
    ids = {"tenant": public("tnt", tenant_id), "endpoint": public("ep", delivery.endpoint_id)}
    about = {"event_id": public("evt", delivery.event_id), "delivery": public("dlv", delivery.id)}
    trace = {"trace_id": trace_id_of(delivery.traceparent)} if delivery.traceparent else {}
    log.warning(what, **ids, **about, **trace, **fields)


def endpoint_warned(tenant_id: UUID, endpoint_id: UUID, warnings: int, failures: int) -> None:
    """Log that the tenant of a failing endpoint was warned."""
    ids = {"tenant": public("tnt", tenant_id), "endpoint": public("ep", endpoint_id)}
    log.warning("endpoint warning published", **ids, warnings=warnings, failures=failures)


def endpoint_disabled(tenant_id: UUID, endpoint_id: UUID, reason: str) -> None:
    """Log that the platform disabled an endpoint."""
    ids = {"tenant": public("tnt", tenant_id), "endpoint": public("ep", endpoint_id)}
    log.warning("endpoint disabled", **ids, reason=reason)


def claims_recovered(deliveries: int, dead: int) -> None:
    """Log claims that ran out, and how many of them were dead-lettered."""
    if deliveries:
        log.warning("claims recovered", deliveries=deliveries, dead=dead)


def replay_started(row: Replay) -> None:
    """Log a new replay."""
    log.info("replay started", replay=row.public_id, by=row.requested_by, total=row.total, rate=row.rate)


def replay_stopped(replay_id: UUID, error: Exception) -> None:
    """Log that a replay ended before it was done."""
    log.error("replay stopped", replay=public("rpl", replay_id), error=str(error))


def archived(row: Archive) -> None:
    """Log that events were archived and deleted."""
    what = {"tenant": public("tnt", row.tenant_id), "archive": row.public_id, "key": row.key}
    log.info("events archived", **what, events=row.events, bytes=row.bytes)


def archive_down(error: Exception) -> None:
    """Log that the storage of the archive is away; what it does not have is not deleted."""
    log.error("archive not reached", error=str(error))


def deliveries_not_counted(tenant_id: UUID, error: Exception) -> None:
    """Log that the deliveries of a tenant in one hour could not be counted."""
    log.error("deliveries not counted", tenant=public("tnt", tenant_id), exc_info=error)


def erasure_started(row: Erasure) -> None:
    """Log a new erasure, without its subject."""
    log.info("erasure started", erasure=row.public_id, by=row.requested_by, total=row.total, rate=row.rate)


def erasure_failed(erasure_id: UUID, error: Exception) -> None:
    """Log that a slice of an erasure failed; it is tried again."""
    log.error("erasure failed", erasure=public("era", erasure_id), exc_info=error)


def erasure_waits(erasure_id: UUID, error: Exception) -> None:
    """Log that an erasure waits for the archive."""
    log.error("erasure waits for the archive", erasure=public("era", erasure_id), error=str(error))


def dead_letter_job_started(row: DeadLetterJob) -> None:
    """Log a new job that discards or acknowledges dead letters."""
    what = {"job": row.public_id, "operation": row.operation, "by": row.requested_by, "total": row.total}
    log.info("dead letter job started", **what)


def dead_letter_job_failed(job_id: UUID, error: Exception) -> None:
    """Log that a slice of such a job failed; it is tried again."""
    log.error("dead letter job failed", job=public("dlj", job_id), exc_info=error)


def broadcast_started(row: Broadcast) -> None:
    """Log a new broadcast."""
    log.info("broadcast started", broadcast=row.public_id, by=row.requested_by, total=row.total, rate=row.rate)


def broadcast_failed(broadcast_id: UUID, error: Exception) -> None:
    """Log that a slice of a broadcast failed; it is tried again."""
    log.error("broadcast failed", broadcast=public("brd", broadcast_id), exc_info=error)


def schedules_failed(tenant_id: UUID, error: Exception) -> None:
    """Log that a slice of a tenant's schedules failed; it is tried again."""
    log.error("schedules failed", tenant=public("tnt", tenant_id), exc_info=error)


def alerts_announced(rule: AlertRule, occasion: str, alerts: int) -> None:
    """Log a message about alerts."""
    log.warning("alerts announced", rule=rule.public_id, name=rule.name, occasion=occasion, alerts=alerts)


def alert_rule_failed(rule_id: UUID, error: Exception) -> None:
    """Log that the condition of an alert rule could not be evaluated; it is tried again."""
    log.error("alert rule not evaluated", rule=public("alr", rule_id), exc_info=error)


def alerts_taken_over(rules: int, messages: int) -> None:
    """Log that a web process has evaluated rules or sent messages, since no worker did."""
    log.warning("alerts evaluated without a worker", rules=rules, messages=messages)


def alert_message_failed(message_id: UUID, error: str, *, is_over: bool) -> None:
    """Log that a message about alerts was not sent."""
    log.warning("alert message not sent", message=public("alm", message_id), error=error, is_over=is_over)


def swept(**repaired: int) -> None:
    """Log what the sweep repaired, if anything."""
    if any(repaired.values()):
        log.warning("sweep repaired lanes", **{name: count for name, count in repaired.items() if count})


def cancelled(tenant_id: UUID, deliveries: int, by: str) -> None:
    """Log a cancellation of many deliveries."""
    if deliveries:
        log.info("deliveries cancelled", tenant=public("tnt", tenant_id), deliveries=deliveries, by=by)


def payload_deleted(event_id: UUID, by: str) -> None:
    """Log that an event's data was erased."""
    log.warning("payload deleted", event_id=public("evt", event_id), by=by)


def retention_applied(**deleted: int) -> None:
    """Log what retention deleted, if anything."""
    if any(deleted.values()):
        log.info("retention run finished", **{name: count for name, count in deleted.items() if count})


def response_not_read(kind: str, error: Exception) -> None:
    """Log that the response of a destination could not be read: an error of its kind, or of the destination."""
    log.error("response not read", kind=kind, exc_info=error)


def connection_abandoned(endpoint_id: UUID) -> None:
    """Log that the connection to a destination blocked beyond its attempts' timeout."""
    log.warning("connection abandoned", endpoint=public("ep", endpoint_id))
