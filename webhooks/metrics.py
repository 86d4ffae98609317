"""Metrics of the receiver: each with the function that counts. They are added up over all processes.

``docs/how-to/add-a-metric.md`` says how to add one; ``docs/reference/metrics.md`` lists them.
"""

import time
from uuid import UUID

from webhooks.kit.metrics.gathered import BYTES, GatheredCounter, GatheredHistogram

UNKNOWN = ""  # scheme of requests to no source
STANDARD = "standard"  # the scheme of most sources

REQUESTS = GatheredCounter(
    "waypost_receiver_requests_total",
    "Requests to /in/, by scheme of the source and response status.",
    ["scheme", "code"],
    series=[(UNKNOWN, "404")],
)
RECEIVE_SECONDS = GatheredHistogram(
    "waypost_receiver_request_seconds", "Time from a request to /in/ to its response, its body included."
)
BODY_BYTES = GatheredHistogram("waypost_receiver_body_bytes", "Size of stored messages.", bounds=BYTES)
CLAIMED_BYTES = GatheredCounter(
    "waypost_receiver_claimed_bytes_total", "Bytes of messages kept in object storage, because they are large."
)
DUPLICATES = GatheredCounter(
    "waypost_receiver_duplicates_total",
    "Messages that were received before, by scheme of the source.",
    ["scheme"],
    series=[(STANDARD,)],
)
REJECTIONS = GatheredCounter(
    "waypost_receiver_rejections_total",
    "Messages that were refused, by scheme of the source and reason, such as a wrong signature.",
    ["scheme", "reason"],
    series=[(STANDARD, "no_match")],
)
RUNS = GatheredCounter(
    "waypost_receiver_handler_runs_total",
    "Runs of a receipt's handlers, by outcome.",
    ["outcome"],
    series=[("processed",), ("failed",), ("dead",)],
)
RUN_SECONDS = GatheredHistogram("waypost_receiver_handler_run_seconds", "Duration of a run of a receipt's handlers.")
HANDLED_SECONDS = GatheredHistogram(
    "waypost_receiver_handled_seconds",
    "Time from receiving a message until its handlers have ended, of messages that the first run handled.",
)
WAITS = GatheredCounter(
    "waypost_receiver_waits_total",
    "Requests that waited for handlers, by how that ended.",
    ["end"],
    series=[("notified",), ("read",), ("timeout",), ("refused",)],
)
RECORDS = GatheredCounter(
    "waypost_source_records_total",
    "Records read from sources that are not HTTP, by result.",
    ["result"],
    series=[("received",), ("duplicate",), ("rejected",), ("dead",)],
)
REMOVED = GatheredCounter("waypost_receiver_removed_total", "Rows and objects removed by the sweep, by kind.", ["kind"])


def count_request(scheme: str, code: int, seconds: float) -> None:
    """Count a response to a sender. ``scheme``: empty for an unknown source."""
    REQUESTS.add(1, scheme, str(code))
    RECEIVE_SECONDS.observe(seconds)


def count_stored(size: int, *, is_claimed: bool) -> None:
    """Count a stored message of ``size`` bytes; ``is_claimed``: its body is in object storage."""
    BODY_BYTES.observe(size)
    if is_claimed:
        CLAIMED_BYTES.add(size)


def count_duplicate(scheme: str) -> None:
    """Count a message that was received before."""
    DUPLICATES.add(1, scheme)


def count_rejection(scheme: str, reason: str) -> None:
    """Count a refused message."""
    REJECTIONS.add(1, scheme, reason)


def count_run(outcome: str, seconds: float) -> None:
    """Count a run of a receipt's handlers."""
    RUNS.add(1, outcome)
    RUN_SECONDS.observe(seconds)


def count_handled(receipt_id: UUID) -> None:
    """Count a message that the first run of its handlers has handled, by the time in its id."""
    HANDLED_SECONDS.observe(max(time.time() - (receipt_id.int >> 80) / 1000, 0.0))


def count_wait(end: str) -> None:
    """Count a request that waited for handlers: notified, read (from the row), timeout, or refused by a limit."""
    WAITS.add(1, end)


def count_removed(kind: str, count: int) -> None:
    """Count what the sweep removed."""
    REMOVED.add(count, kind)


def count_read(received: int, duplicates: int, rejected: int, dead: int) -> None:
    """Count what became of records that were read; dead ones are received ones."""
    RECORDS.add(received - dead, "received")
    RECORDS.add(duplicates, "duplicate")
    RECORDS.add(rejected, "rejected")
    RECORDS.add(dead, "dead")
