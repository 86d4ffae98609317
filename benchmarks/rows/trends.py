"""What becomes of a figure over time: curves that must not climb, and in words how their ends compare."""

from collections import defaultdict

from benchmarks.figures import percentile, thirds
from benchmarks.instruments import Arrival
from benchmarks.meter import Meter

__all__ = ["Points", "claims", "is_flat", "p99", "seconds_of", "told"]

Points = list[tuple[float, float]]


def seconds_of(arrivals: list[Arrival]) -> list[float]:
    return [one.arrived / 1e9 for one in arrivals]


def p99(arrivals: list[Arrival], width: float) -> Points:
    """Milliseconds, for stretches of so many seconds."""
    first = min(one.arrived for one in arrivals)
    stretches: dict[int, list[float]] = defaultdict(list)
    for one in arrivals:
        stretches[int((one.arrived - first) / 1e9 / width)].append(one.milliseconds)
    return [(index * width, percentile(sorted(values), 0.99)) for index, values in sorted(stretches.items())]


def claims(moments: list[float], meter: Meter, parts: int = 20) -> Points:
    """Microseconds the server spent in claims for each delivery that arrived in the same stretch."""
    first, last = min(moments), max(moments)
    width = max(1.0, (last - first) / parts)
    spent: dict[int, float] = defaultdict(float)
    arrived: dict[int, int] = defaultdict(int)
    for moment in moments:
        arrived[int((moment - first) / width)] += 1
    for one in meter.sampled():
        if one.kind == "claim" and one.at >= first:
            spent[int((one.at - first) / width)] += one.milliseconds * 1000 / meter.share
    whole = range(int((last - first) / width))
    return [(index * width, spent[index] / arrived[index]) for index in whole if arrived[index]]


def told(what: str, unit: str, points: Points) -> str:
    """The middle of the first third beside that of the last."""
    if (ends := thirds(points)) is None:
        return f"{what}: too short for a trend"
    return f"{what}: {ends[0]:,.1f} {unit} in the first third, {ends[1]:,.1f} {unit} in the last"


def is_flat(points: Points, margin: float) -> bool:
    """Whether the last third is by no more than this part above the first."""
    ends = thirds(points)
    return ends is not None and ends[1] <= ends[0] * (1 + margin)
