"""What the receiver counts and says. Each log line is said here and nowhere else."""

import structlog
from prometheus_client import Counter

log = structlog.get_logger("waypost.receiver")

requests = Counter("waypost_receiver_requests_total", "Requests at /in/, by what became of them.", ["outcome"])
runs = Counter("waypost_receiver_runs_total", "Runs of receipts through their handlers.", ["outcome"])
rings_failed = Counter("waypost_receiver_rings_failed_total", "Rings the broker did not take.")
swept = Counter("waypost_receiver_swept_total", "Rows and objects the sweep removed.", ["kind"])


def count_request(outcome: str) -> None:
    requests.labels(outcome).inc()


def log_content_conflict(source: str, message_id: str) -> None:
    """A sender used one id for two contents: the first was kept, the second was not."""
    log.warning("receipt.conflict", source=source, message_id=message_id)


def log_not_stored(source: str, error: Exception) -> None:
    """The database or the storage did not take a message: the sender was told to come back."""
    log.error("receipt.not_kept", source=source, error=repr(error))


def log_counts_not_written(error: Exception) -> None:
    """The database did not take the counts of the last seconds: they are kept for the next time."""
    log.warning("tally.not_written", error=repr(error))


def count_run(outcome: str) -> None:
    runs.labels(outcome).inc()


def log_handler_failed(receipt: str, handler: str, error: BaseException, attempts: int) -> None:
    log.warning("receipt.failed", receipt=receipt, handler=handler, error=repr(error), attempts=attempts)


def log_dead(receipt: str, cause: str, error: str) -> None:
    log.error("receipt.dead", receipt=receipt, cause=cause, error=error)


def log_received(receipt: str, source: str, event_type: str, size: int) -> None:
    log.info("receipt", receipt=receipt, source=source, event_type=event_type, size=size)


def log_wakeup_failed(error: Exception) -> None:
    rings_failed.inc()
    log.warning("ring.failed", error=repr(error))


def count_removed(kind: str, count: int) -> None:
    if count:
        swept.labels(kind).inc(count)
        log.info("swept", kind=kind, count=count)
