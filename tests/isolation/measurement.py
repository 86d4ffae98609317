"""Hold what the neighbour measured without and with an attacker, and judge it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

MAX_RATIO, ALWAYS_FINE = 2.0, 100.0  # of the p99 with an attacker to that without; milliseconds of one request
REQUESTS = {"new endpoint": 2, "first key": 3}  # one after the other, in activities of several
Sample = Sequence[object]  # milliseconds, and what failed ("": nothing)


@dataclass(frozen=True)
class Activity:
    """One activity of the neighbour in one measurement. Milliseconds; failed requests count with the time they took."""

    count: int
    failures: int
    p50: float
    p99: float
    problem: str = ""

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Activity":
        times = sorted(float(str(milliseconds)) for milliseconds, _ in samples)
        problems = Counter(str(problem) for _, problem in samples if problem)
        return cls(
            len(times), sum(problems.values()), percentile(times, 0.5), percentile(times, 0.99), most_common(problems)
        )


def percentile(ascending: Sequence[float], share: float) -> float:
    """Return a percentile by the nearest rank; NaN if there is no value."""
    if not ascending:
        return float("nan")
    return ascending[min(len(ascending) - 1, max(0, ceil(share * len(ascending)) - 1))]


def most_common(problems: Counter[str]) -> str:
    return problems.most_common(1)[0][0] if problems else ""


Measurement = Mapping[str, Activity]


@dataclass(frozen=True)
class Result:
    """The outcome of one attack. ``memory`` is the growth of the platform's processes in MB."""

    number: int
    name: str
    without: Measurement
    beside: Measurement
    memory: float = 0.0
    requests: str = ""
    breaches: Sequence[str] = field(default_factory=list)

    @property
    def failures(self) -> int:
        return sum(activity.failures for activity in self.beside.values())

    @property
    def problems(self) -> list[str]:
        """Return what is not as it should be, without times: the neighbour's failures, and breaches."""
        failed = [
            f"{name}: {it.failures} of {it.count} failed, {it.problem}"
            for name, it in self.beside.items()
            if it.failures
        ]
        return [*self.breaches, *failed]

    @property
    def slow(self) -> list[str]:
        """Return the activities whose p99 is neither below twice that alone nor below 100 ms a request."""
        return [
            f"{name}: p99 {it.p99:,.0f} ms instead of {self.without[name].p99:,.0f}"
            for name, it in self.beside.items()
            if name in self.without
            and it.p99 > max(ALWAYS_FINE * REQUESTS.get(name, 1), MAX_RATIO * self.without[name].p99)
        ]

    @property
    def is_met(self) -> bool:
        return not self.problems and not self.slow
