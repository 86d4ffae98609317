"""What the delivery side says about itself: each log line once, here; on the hot path counters only."""

from collections import Counter as Tally
from collections.abc import Iterable
from uuid import UUID

import structlog
from prometheus_client import Counter

from delivery.models import Replay
from delivery.transports.outcome import Outcome
from webhooks.wire.ids import public

log = structlog.get_logger("delivery")

EVENTS = Counter("waypost_events_total", "Events that were published, by what became of them.", ["result"])
ATTEMPTS = Counter("waypost_attempts_total", "Attempts to deliver, by how they ended.", ["outcome"])
RATE_LIMIT_ERRORS = Counter(
    "waypost_rate_limit_errors_total", "Times Valkey did not answer for a publish rate; the events were let through."
)


def published(taken: int, duplicates: int, refused: int) -> None:
    EVENTS.labels("taken").inc(taken)
    EVENTS.labels("duplicate").inc(duplicates)
    EVENTS.labels("refused").inc(refused)


def attempted(outcomes: Iterable[Outcome]) -> None:
    for failure, count in Tally(it.failure for it in outcomes).items():
        ATTEMPTS.labels(failure or "delivered").inc(count)


def rate_limit_failed() -> None:
    """Count a publish rate that could not be checked."""
    RATE_LIMIT_ERRORS.inc()


def drained(attempts: int, seconds: float) -> None:
    if attempts:
        log.info("drained", attempts=attempts, seconds=round(seconds, 3))


def database_away(error: Exception) -> None:
    log.warning("database away", error=type(error).__name__, detail=str(error).splitlines()[0] if str(error) else "")


def token_failed(endpoint_id: UUID, error: Exception) -> None:
    log.warning("no token", endpoint=public("ep", endpoint_id), error=type(error).__name__)


def not_sent(delivery_id: UUID, error: Exception | None) -> None:
    """Log a delivery that could not be sent by an error of ours; what an endpoint lacks is its tenant's to see."""
    if error is not None:
        log.error("delivery cannot be sent", delivery=public("dlv", delivery_id), exc_info=error)


def news_failed(tenant_id: UUID, event_type: str, error: Exception) -> None:
    log.error("news not told", tenant=public("tnt", tenant_id), type=event_type, error=type(error).__name__)


def replay_failed(replay_id: UUID, error: Exception) -> None:
    log.error("replay stands still", replay=public("rpl", replay_id), exc_info=error)


def endpoint_disabled(endpoint_id: UUID, reason: str) -> None:
    log.warning("endpoint disabled", endpoint=public("ep", endpoint_id), reason=reason)


def rescued(deliveries: int, poisoned: int) -> None:
    if deliveries:
        log.warning("claims rescued", deliveries=deliveries, poisoned=poisoned)


def replay_started(row: Replay) -> None:
    log.info("replay started", replay=row.public_id, by=row.requested_by, total=row.total, rate=row.rate)


def swept(**found: int) -> None:
    if any(found.values()):
        log.warning("sweep found debts", **{name: count for name, count in found.items() if count})


def cancelled(tenant_id: UUID, deliveries: int, by: str) -> None:
    if deliveries:
        log.info("deliveries cancelled", tenant=public("tnt", tenant_id), deliveries=deliveries, by=by)


def expunged(event_id: UUID, by: str) -> None:
    log.warning("payload expunged", event_id=public("evt", event_id), by=by)


def retired(**removed: int) -> None:
    if any(removed.values()):
        log.info("retention ended", **{name: count for name, count in removed.items() if count})
