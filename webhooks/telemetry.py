"""Log what the receiver does, one function per line. What is counted is in ``webhooks.metrics``."""

import structlog

log = structlog.get_logger("waypost.receiver")


def log_content_conflict(source: str, message_id: str) -> None:
    """Log a duplicate message id with other content; the first content was kept."""
    log.warning("receipt content conflict", source=source, message_id=message_id)


def log_not_stored(source: str, error: Exception) -> None:
    """Log a message that database or storage did not store; the sender got 503."""
    log.error("receipt not stored", source=source, error=repr(error))


def log_keys_missing(problem: str) -> None:
    """Log that nothing is delivered, read or processed, because this process lacks an encryption key."""
    log.error("encryption key is missing; nothing is sent", problem=problem)


def log_handler_failed(receipt: str, handler: str, error: BaseException, attempts: int) -> None:
    """Log a failed run with its handler and the traceback, as an error, so that error trackers report it."""
    log.error("handler failed", receipt=receipt, handler=handler, error=repr(error), attempts=attempts, exc_info=error)


def log_worker_waits(seconds: float, error: BaseException) -> None:
    """Log an error that no receipt is to blame for, such as a database that restarts; the worker goes on after it."""
    log.error("receipt worker waits", seconds=seconds, error=repr(error), exc_info=error)


def log_group_failed(size: int, error: BaseException) -> None:
    """Log a shared transaction of this many receipts that failed; each runs again alone."""
    log.warning("handler group failed", receipts=size, error=repr(error))


def log_hook_failed(receipt: str, error: BaseException) -> None:
    """Log an after-commit hook of a handler that failed; the receipt is processed."""
    log.error("after-commit hook failed", receipt=receipt, error=repr(error))


def log_dead(receipt: str, cause: str, error: str) -> None:
    """Log a receipt that is not tried again."""
    log.error("receipt dead", receipt=receipt, cause=cause, error=error)


def log_received(receipt: str, source: str, event_type: str, size: int) -> None:
    """Log a receipt without its content."""
    log.info("receipt received", receipt=receipt, source=source, event_type=event_type, size=size)


def log_removed(kind: str, count: int) -> None:
    """Log what the sweep removed; nothing for zero."""
    if count:
        log.info("sweep removed rows", kind=kind, count=count)


def log_reader_unavailable(source: str, partition: str, error: str, seconds: float) -> None:
    """Log the first of several failures to read a source, and when it is tried again."""
    log.warning("source cannot be read", source=source, partition=partition, error=error, again_in=seconds)


def log_reader_recovered(source: str, partition: str) -> None:
    """Log that a source can be read again."""
    log.info("source can be read again", source=source, partition=partition)


def log_trial_failed(error: Exception) -> None:
    """Log that a partition could not be read in a thread because of our own database, with the traceback."""
    log.error("trial of a source failed", error=repr(error), exc_info=error)


def log_reader_failed(source: str, partition: str, error: Exception) -> None:
    """Log an error of a reader that its kind does not expect, with the traceback."""
    log.error("reader failed", source=source, partition=partition, error=repr(error), exc_info=error)


def log_replay_started(replay: str, by: str, total: int, rate: int) -> None:
    """Log a new replay of receipts."""
    log.info("receipt replay started", replay=replay, by=by, total=total, rate=rate)


def log_replay_failed(replay: str, error: Exception) -> None:
    """Log that a slice of a replay failed; it is tried again."""
    log.error("receipt replay failed", replay=replay, error=repr(error), exc_info=error)
