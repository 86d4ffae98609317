"""Compare the counts of the platform with those of the receivers, without any tolerance. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from config.local.demo.receivers import FAILURES, MAX_FAILING_MESSAGES, NOT_VERIFIED

ENDPOINTS = 3
INLINE_MAX = 64 * 1024  # bytes of a body that the row of a receipt stores; a larger one is a claim check


class Count(NamedTuple):
    """One line of the table: the count that was found, the expected one, and the reason for it."""

    name: str
    found: int
    expected: int
    because: str

    def __str__(self) -> str:
        return f"{self.name}: found {self.found:,}, expected {self.expected:,} ({self.because})"


class Observed(NamedTuple):
    """Observations of one run. `deliveries` and `receipts` are rows of the API; `statuses` are the two receivers'."""

    events: int
    repeats: int
    duplicates: int
    accepted: int
    deliveries: Sequence[Mapping[str, Any]]
    flaky_id: str
    dead_letters: int
    replayed: int
    receipts: Sequence[Mapping[str, Any]]
    stored_bytes: int
    statuses: Counter[int]
    same_bodies: int
    same_data: int
    at_globex: int
    at_initech: int
    alerts_firing: int
    alerts_resolved: int


def count(seen: Observed) -> list[Count]:
    """Return every count of the run with the expected one."""
    delivered = sum(row["state"] == "delivered" for row in seen.deliveries)
    attempts = sum(row["attempts_made"] for row in seen.deliveries)
    retries = sum(row["attempts_made"] - 1 for row in seen.deliveries if row["endpoint"] == seen.flaky_id)
    large = sum(row["size"] for row in seen.receipts if row["size"] > INLINE_MAX)
    scheduled, requests = ENDPOINTS * seen.events, seen.statuses.total()
    failures = len(FAILURES) * min(seen.events, MAX_FAILING_MESSAGES)
    return [
        Count("events", seen.accepted, seen.events, "each is accepted once"),
        Count("duplicates", seen.duplicates, seen.repeats, "published again, not accepted again"),
        Count("deliveries", len(seen.deliveries), scheduled, "one for each of three endpoints"),
        Count("delivered", delivered, scheduled, "all of them, in the end"),
        Count("attempts", attempts, len(seen.receipts) + requests, "as many requests arrived"),
        Count("retries", retries, failures, "two for each failing message"),
        Count("dead letters", seen.dead_letters, seen.events, "for the endpoint that responded 410"),
        Count("replayed", seen.replayed, seen.events, "after the endpoint was repaired"),
        Count("receipts", len(seen.receipts), seen.events, "our receiver keeps each event once"),
        Count("bytes in storage", seen.stored_bytes, large, f"bodies over {INLINE_MAX // 1024} KiB"),
        Count("signatures", requests - seen.statuses[NOT_VERIFIED], requests, "valid, says standardwebhooks"),
        Count("bodies unchanged", seen.same_bodies, scheduled, "byte for byte as stored"),
        Count("data unchanged", seen.same_data, seen.events, "as published"),
        Count("at globex", seen.at_globex, 1, "its own event, and none of acme's"),
        Count("at initech", seen.at_initech, 0, "no event was published for it"),
        Count("alerts", seen.alerts_firing, 1, "in Slack: an endpoint was disabled"),
        Count("alerts over", seen.alerts_resolved, 1, "in Slack, after the repair"),
    ]
