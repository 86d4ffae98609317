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


@dataclass
class Cost:
    """Resources used by all measured processes: CPU in seconds by program, and write-ahead log."""

    cpu: dict[str, float] = field(default_factory=dict)
    wal_bytes: int = 0


@dataclass
class Result:
    """`count` things (`unit`) were done at `rate` per second. The run sets name, usual and seconds.

    `usual` is the row that does the same work the usual way; the ratios say how many times its rate this row has,
    and how many times less CPU.
    """

    count: int
    rate: float
    latency: Latency | None = None
    cost: Cost = field(default_factory=Cost)
    checks: list[Check] = field(default_factory=list)
    unit: str = "deliveries"
    aim: Check | None = None
    notes: list[str] = field(default_factory=list)
    name: str = ""
    usual: str = ""
    seconds: float = 0.0
    rate_ratio: float = 0.0
    cpu_ratio: float = 0.0

    @property
    def is_valid(self) -> bool:
        """Tell whether every check holds."""
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

    def aim_at_least(self, rate: float) -> "Result":
        """Set the aim to a rate, and return the result."""
        self.aim = Check(f"at least {rate:,.0f} {self.unit}/s", self.rate >= rate)
        return self


def compare(results: Sequence[Result]) -> None:
    """Set the ratios of each result to its usual counterpart, where both were measured."""
    found = {result.name: result for result in results}
    for result in results:
        usual = found.get(result.usual)
        if usual and usual.rate and result.rate and result.cpu_ms_per_1000:
            result.rate_ratio = result.rate / usual.rate
            result.cpu_ratio = usual.cpu_ms_per_1000 / result.cpu_ms_per_1000


def latency(milliseconds: Sequence[float]) -> Latency:
    """Return the percentiles of these values."""
    return Latency(percentile(milliseconds, 0.50), percentile(milliseconds, 0.99))


def percentile(values: Sequence[float], part: float) -> float:
    """Return the smallest value that at least this part of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]
