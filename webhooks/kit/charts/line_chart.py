"""Compute the shapes of a line chart over a time axis, in the coordinates of its SVG. Pure.

The template ``webhooks/admin/chart.html`` draws them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from webhooks.kit.charts.time_axis import TimeAxis

WIDTH, HEIGHT = 400, 120  # of the plot
GAP = "none"  # in the tooltip, for a period without a value

Values = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one figure, one for each period of the axis, None where there is none.

    ``previous``: those of the time before; empty: not drawn. ``total``: what is shown beside the title.
    """

    label: str
    tone: str
    values: Values
    previous: Values = ()
    total: str = ""
    previous_total: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A drawn series: SVG paths of its unbroken parts, of the areas below them, and of the time before."""

    label: str
    tone: str
    total: str
    previous_total: str
    paths: list[str]
    areas: list[str]
    previous_paths: list[str]


@dataclass(frozen=True, slots=True)
class Mark:
    """A labelled position on an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Hover:
    """A strip of the chart with the figures of one period as its tooltip."""

    x: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one time axis, with the marks of both axes. ``is_empty``: no series has a value but zero."""

    title: str
    lines: list[Line]
    levels: list[Mark]
    times: list[Mark]
    hovers: list[Hover] = field(default_factory=list)
    is_empty: bool = False
    summary: str = ""


def chart(
    title: str, series: Sequence[Series], axis: TimeAxis, text: Callable[[float], str], top: float | None = None
) -> Chart:
    """Draw these series. ``text`` writes a value; ``top`` is the highest level, by default one that fits."""
    known = [value for it in series for value in (*it.values, *it.previous) if value is not None]
    highest = top or nice_top(max(known, default=0.0))
    count = len(axis.edges) - 1
    return Chart(
        title=title,
        lines=[_line(it, count, highest) for it in series],
        levels=[Mark(_y(highest * part, highest), text(highest * part)) for part in (0.0, 0.5, 1.0)],
        times=[Mark(round(WIDTH * it.number / count, 1), it.label) for it in axis.ticks],
        hovers=[_hover(series, axis, number, text) for number in range(count)],
        is_empty=not any(known),
        summary="; ".join(f"{it.label.lower()} {it.total}" for it in series if it.total),
    )


def nice_top(value: float) -> float:
    """Return the smallest number of the form 1, 2 or 5 times a power of ten that is not less; 1 at least."""
    top = 1.0
    while True:
        for factor in (1, 2, 5):
            if top * factor >= value:
                return top * factor
        top *= 10


def short(value: float) -> str:
    """Write a count in a few characters: 950, 1.2 k, 35 k, 1.5 M."""
    for limit, divisor, unit in ((1e9, 1e9, " G"), (1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if value >= limit:
            return f"{value / divisor:.3g}{unit}"
    return f"{value:,.0f}" if value >= 1 or not value else f"{value:.1g}"


def _line(series: Series, count: int, highest: float) -> Line:
    parts = _parts(series.values, count, highest)
    paths = [_path(part) for part in parts]
    areas = [
        f"{path} L{part[-1][0]},{HEIGHT} L{part[0][0]},{HEIGHT} Z" for path, part in zip(paths, parts, strict=True)
    ]
    previous = [_path(part) for part in _parts(series.previous, count, highest)]
    return Line(series.label, series.tone, series.total, series.previous_total, paths, areas, previous)


def _parts(values: Values, count: int, highest: float) -> list[list[tuple[float, float]]]:
    """Return the points of each unbroken part, in the middle of their periods; a single one becomes a short line."""
    parts: list[list[tuple[float, float]]] = []
    is_broken = True
    for number, value in enumerate(values[:count]):
        if value is None:
            is_broken = True
            continue
        if is_broken:
            parts.append([])
        is_broken = False
        parts[-1].append((round(WIDTH * (number + 0.5) / count, 1), _y(value, highest)))
    return [part if len(part) > 1 else [(part[0][0] - 1, part[0][1]), (part[0][0] + 1, part[0][1])] for part in parts]


def _path(part: Sequence[tuple[float, float]]) -> str:
    return "M" + " L".join(f"{x},{y}" for x, y in part)


def _hover(series: Sequence[Series], axis: TimeAxis, number: int, text: Callable[[float], str]) -> Hover:
    words = []
    for it in series:
        before = f" (before: {_text(it.previous, number, text)})" if it.previous else ""
        words.append(f"{it.label.lower()} {_text(it.values, number, text)}{before}")
    count = len(axis.edges) - 1
    return Hover(round(WIDTH * number / count, 1), round(WIDTH / count, 1), f"{axis.label(number)}: {', '.join(words)}")


def _text(values: Values, number: int, text: Callable[[float], str]) -> str:
    value = values[number] if number < len(values) else None
    return GAP if value is None else text(value)


def _y(value: float, highest: float) -> float:
    return round(HEIGHT * (1 - min(value, highest) / highest), 1)
