"""What the platform says it did, what those who were called say, and whether the two agree.

PURE. A count is true if it is exactly what it must be: no count has a tolerance.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config.local.demo.listeners import GONE, MOST_STUMBLES, NOT_BELIEVED, STUMBLES

__all__ = ["INLINE_MAX", "Count", "Seen", "counted"]

ENDPOINTS = 3
INLINE_MAX = 64 * 1024  # bytes of a body that a receipt's row holds; what is larger is a claim check


@dataclass(frozen=True, slots=True)
class Count:
    """One line of the table: what was found, what it must be, and why."""

    name: str
    found: int
    must_be: int
    because: str

    @property
    def is_right(self) -> bool:
        return self.found == self.must_be

    def __str__(self) -> str:
        return f"{self.name}: {self.found:,}, must be {self.must_be:,} ({self.because})"


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that was seen. ``events`` and ``repeats``: how many were published once, and once more;
    ``deliveries`` and ``receipts`` are the platform's rows; ``claimed`` are bytes in storage; ``stumbling`` and
    ``gone`` are how often each listener gave which status."""

    events: int
    repeats: int
    refused_repeats: int
    taken: int
    deliveries: Sequence[Mapping[str, Any]]
    stumbling_id: str
    dead_letters: int
    replayed: int
    receipts: Sequence[Mapping[str, Any]]
    claimed: int
    stumbling: Mapping[int, int]
    gone: Mapping[int, int]
    same_bytes: int
    same_data: int

    @property
    def checked(self) -> int:
        """Requests at the listeners, which check each with ``standardwebhooks``."""
        return sum(self.stumbling.values()) + sum(self.gone.values())

    @property
    def forged(self) -> int:
        """Those it did not believe."""
        return self.stumbling.get(NOT_BELIEVED, 0) + self.gone.get(NOT_BELIEVED, 0)


def counted(seen: Seen) -> list[Count]:
    """The table."""
    states = Counter(row["state"] for row in seen.deliveries)
    attempts = sum(row["attempts_made"] for row in seen.deliveries)
    again = [row["attempts_made"] - 1 for row in seen.deliveries if row["endpoint"] == seen.stumbling_id]
    large = [row["size"] for row in seen.receipts if row["size"] > INLINE_MAX]
    all_owed = ENDPOINTS * seen.events
    stumbles = len(STUMBLES) * min(seen.events, MOST_STUMBLES)
    arrived = len(seen.receipts) + seen.checked
    return [
        Count("events", seen.taken, seen.events, "each is taken once"),
        Count("duplicates refused", seen.refused_repeats, seen.repeats, "published a second time"),
        Count("deliveries", len(seen.deliveries), all_owed, "each is owed to three endpoints"),
        Count("delivered", states["delivered"], all_owed, "in the end, all of them"),
        Count("attempts", attempts, arrived, "as many requests arrived"),
        Count("retries", sum(again), stumbles, "two for each stumble"),
        Count("dead", seen.dead_letters, seen.events, f"all that was owed after a {GONE}"),
        Count("replayed", seen.replayed, seen.events, "once it was repaired"),
        Count("receipts", len(seen.receipts), seen.events, "our receiver keeps each once"),
        Count("bytes claimed", seen.claimed, sum(large), f"in storage: over {INLINE_MAX // 1024} KiB each"),
        Count("signatures", seen.checked - seen.forged, seen.checked, "right, says standardwebhooks"),
        Count("bodies unchanged", seen.same_bytes, all_owed, "byte for byte as stored"),
        Count("data unchanged", seen.same_data, seen.events, "as it was given"),
    ]
