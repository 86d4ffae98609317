"""What a row of the benchmark found: plain values, and the few sums that are made of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = [
    "Aim",
    "Check",
    "Curve",
    "Latency",
    "Reading",
    "Row",
    "bucketed",
    "compare",
    "percentile",
    "spoken",
    "thirds",
]

MIB = 1024 * 1024


@dataclass(frozen=True)
class Latency:
    """Milliseconds."""

    p50: float
    p95: float
    p99: float
    most: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> "Latency | None":
        """None if there is nothing to be measured."""
        if not milliseconds:
            return None
        ordered = sorted(milliseconds)
        return cls(*(round(percentile(ordered, part), 3) for part in (0.50, 0.95, 0.99, 1.0)))


@dataclass(frozen=True)
class Check:
    """Something that must hold, else the row's figures mean nothing."""

    what: str
    holds: bool
    found: str


@dataclass(frozen=True)
class Aim:
    """What the design promises. Missing it fails nothing: figures move with the machine."""

    text: str
    met: bool


@dataclass(frozen=True)
class Curve:
    """One line of a chart; charts with the same title are drawn into one."""

    chart: str
    name: str
    x_unit: str
    y_unit: str
    points: list[tuple[float, float]]


@dataclass
class Reading:
    """What one measured stretch cost, without the sink and the generator."""

    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)  # seconds by program
    memory: dict[str, float] = field(default_factory=dict)  # peak bytes by program
    memory_most: float = 0.0  # peak bytes of all together
    memory_curve: list[tuple[float, float]] = field(default_factory=list)  # (seconds, bytes)
    wal_bytes: int = 0
    statements: float = 0.0


@dataclass
class Row:
    """``count`` things (``unit``) were done at ``rate`` a second. ``setting`` says what exactly was done."""

    name: str
    title: str
    setting: str
    count: int
    rate: float
    unit: str = "deliveries"
    latency: Latency | None = None
    cost: Reading = field(default_factory=Reading)
    aim: Aim | None = None
    checks: list[Check] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    steps: dict[str, float] = field(default_factory=dict)
    """Microseconds of the database server per thing done, by the kind of statement."""
    beside: str = ""
    """The row that does the same work the usual way."""
    times: tuple[float, float] | None = None
    """How many times its rate, and how many times less CPU."""
    took: float = 0.0
    """Seconds for the row with all its preparation."""

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)

    @property
    def cpu_ms_per_1000(self) -> float:
        return 1e6 * sum(self.cost.cpu.values()) / max(self.count, 1)

    @property
    def statements_each(self) -> float:
        return self.cost.statements / max(self.count, 1)

    @property
    def wal_each(self) -> float:
        return self.cost.wal_bytes / max(self.count, 1)

    @property
    def memory_mib(self) -> float:
        return self.cost.memory_most / MIB


def compare(rows: Sequence[Row]) -> None:
    """Say of each row how it stands beside the usual way of doing the same, where both were measured."""
    found = {row.name: row for row in rows}
    for row in rows:
        usual = found.get(row.beside)
        if usual and usual.rate and row.rate and row.cpu_ms_per_1000:
            row.times = row.rate / usual.rate, usual.cpu_ms_per_1000 / row.cpu_ms_per_1000


def percentile(ordered: Sequence[float], part: float) -> float:
    """The smallest value that at least this part of the values does not exceed."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def bucketed(moments: Sequence[float], width: float) -> list[tuple[float, float]]:
    """Events per second over time: (seconds since the first, rate), the last incomplete stretch left out."""
    if not moments:
        return []
    first = min(moments)
    counts = [0] * (int((max(moments) - first) / width) + 1)
    for moment in moments:
        counts[int((moment - first) / width)] += 1
    return [(index * width, count / width) for index, count in enumerate(counts[:-1])]


def thirds(points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """The middle values of the first third of a curve and of its last; None if it is too short for that."""
    third = len(points) // 3
    if not third:
        return None
    early, late = (percentile(sorted(y for _, y in part), 0.5) for part in (points[:third], points[-third:]))
    return early, late


def spoken(seconds: float) -> str:
    """Seconds for the first minutes, then minutes."""
    return f"{seconds:.0f} s" if seconds < 180 else f"{seconds / 60:.0f} min"
