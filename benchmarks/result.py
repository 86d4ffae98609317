"""Results of a row as plain values, and the statistics made of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MIB = 2**20


class Latency(NamedTuple):
    """Percentiles in milliseconds."""

    p50: float
    p99: float


class Check(NamedTuple):
    """A condition without which the figures of a row mean nothing; or an aim, which may be missed."""

    what: str
    holds: bool
    found: str = ""


class Figure(NamedTuple):
    """A measured value."""

    value: float
    unit: str
    more_is_better: bool = False

    def times_better_than(self, other: "Figure") -> float:
        """Return how many times better this value is; 0.0 if one of them is 0."""
        if not self.value or not other.value:
            return 0.0
        return self.value / other.value if self.more_is_better else other.value / self.value

    def meets(self, aim: float) -> bool:
        """Return whether the value is as good as the aim."""
        return self.value >= aim if self.more_is_better else self.value <= aim


@dataclass
class Cost:
    """Resources used by all measured processes: CPU in seconds by program, and write-ahead log."""

    cpu: dict[str, float] = field(default_factory=dict)
    wal_bytes: int = 0


@dataclass
class Result:
    """`count` things (`unit`) were done at `rate` per second (0: the row has no rate).

    `more` has the figures that only this row has, by name. `aim`: a condition that is no single figure. The run sets
    `name`, `seconds`, `aims` (by the name of a figure), and `usual`: the result of the same row the usual way.
    """

    count: int
    rate: float = 0.0
    latency: Latency | None = None
    cost: Cost = field(default_factory=Cost)
    checks: list[Check] = field(default_factory=list)
    unit: str = "deliveries"
    aim: Check | None = None
    notes: list[str] = field(default_factory=list)
    more: dict[str, Figure] = field(default_factory=dict)
    name: str = ""
    seconds: float = 0.0
    aims: dict[str, float] = field(default_factory=dict)
    usual: "Result | None" = None

    @property
    def is_valid(self) -> bool:
        """Return whether every check holds."""
        return not self.failures

    @property
    def failures(self) -> list[str]:
        """Describe the checks that do not hold."""
        return [f"{check.what}: {check.found}" for check in self.checks if not check.holds]

    @property
    def cpu_ms_per_1000(self) -> float:
        """Return milliseconds of CPU for a thousand things."""
        return 1e6 * sum(self.cost.cpu.values()) / max(self.count, 1)

    @property
    def wal_bytes_each(self) -> float:
        """Return bytes of write-ahead log for each thing."""
        return self.cost.wal_bytes / max(self.count, 1)

    @property
    def figures(self) -> dict[str, Figure]:
        """Return all figures of the row by name; a failed row has none."""
        if not self.is_valid:
            return {}
        found = {"rate": Figure(self.rate, f"{self.unit}/s", more_is_better=True)} if self.rate else {}
        if self.latency:
            found |= {name: Figure(value, "ms") for name, value in self.latency._asdict().items()}
        found |= self.more
        if self.cost.cpu:
            found["CPU"] = Figure(self.cpu_ms_per_1000, "ms per 1,000")
        return found


def latency(milliseconds: Sequence[float]) -> Latency:
    """Return the percentiles of these values."""
    return Latency(percentile(milliseconds, 0.50), percentile(milliseconds, 0.99))


def latency_figures(name: str, found: Latency) -> dict[str, Figure]:
    """Return a second latency of a row as figures: `NAME p50` and `NAME p99`."""
    return {f"{name} {part}": Figure(value, "ms") for part, value in found._asdict().items()}


def percentile(values: Sequence[float], part: float) -> float:
    """Return the smallest value that at least this part of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]
