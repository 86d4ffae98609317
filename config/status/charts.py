"""Compute the shapes of the charts on the page Capacity, in the coordinates of their SVG."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from delivery.models import LoadMinute

WIDTH, HEIGHT = 400, 120  # of the plot
TICKS = 4  # on the axis of time


@dataclass(frozen=True, slots=True)
class Line:
    """A figure over time. ``paths`` are the SVG paths of its unbroken parts; ``areas`` the same down to the axis."""

    label: str
    tone: str
    paths: list[str]
    areas: list[str]
    latest: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A labelled position on an axis, in pixels."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Hover:
    """A strip of the chart that shows the figures of one point of time as its tooltip."""

    x: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one period, with the marks of both axes."""

    title: str
    lines: list[Line]
    levels: list[Mark]
    times: list[Mark]
    hovers: list[Hover]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of a minute, its colour, and how it is written."""

    label: str
    tone: str
    value: Callable[[LoadMinute], float]
    text: Callable[[float], str]


def chart(title: str, figures: Sequence[Figure], minutes: Sequence[LoadMinute], period: "Period", top: float) -> Chart:
    """Draw these figures; ``top`` is the value at the upper edge, raised to the highest value."""
    highest = nice_top(max([top, *(it.value(minute) for it in figures for minute in minutes)]))
    text = figures[0].text
    return Chart(
        title=title,
        lines=[_line(it, minutes, period, highest) for it in figures],
        levels=[Mark(_y(highest * part, highest), text(highest * part)) for part in (0.0, 0.5, 1.0)],
        times=period.ticks(),
        hovers=[_hover(figures, minute, period) for minute in minutes],
    )


@dataclass(frozen=True, slots=True)
class Period:
    """The time that a chart shows, from ``until - length`` to ``until``; ``step`` is the distance of two points."""

    until: datetime
    length: timedelta
    step: timedelta = timedelta(minutes=1)

    def x(self, moment: datetime) -> float:
        """Return the position of a moment."""
        return round(WIDTH * (1 - (self.until - moment) / self.length), 1)

    def ticks(self) -> list[Mark]:
        """Return the marks of the axis."""
        part = self.length / TICKS
        moments = [self.until - part * number for number in range(TICKS, -1, -1)]
        return [Mark(self.x(it), f"{it:%H:%M}") for it in moments]


def nice_top(value: float) -> float:
    """Return the smallest number of the form 1, 2 or 5 times a power of ten that is not less; 1 at least."""
    top = 1.0
    while True:
        for factor in (1, 2, 5):
            if top * factor >= value:
                return top * factor
        top *= 10


def _line(figure: Figure, minutes: Sequence[LoadMinute], period: Period, highest: float) -> Line:
    parts: list[list[tuple[float, float]]] = []
    previous: datetime | None = None
    for minute in minutes:
        if previous is None or minute.begins_at - previous > 2 * period.step:
            parts.append([])
        parts[-1].append((period.x(minute.begins_at), _y(figure.value(minute), highest)))
        previous = minute.begins_at
    paths = ["M" + " L".join(f"{x},{y}" for x, y in (part if len(part) > 1 else [*part, *part])) for part in parts]
    areas = [
        f"{path} L{part[-1][0]},{HEIGHT} L{part[0][0]},{HEIGHT} Z" for path, part in zip(paths, parts, strict=True)
    ]
    latest = figure.text(figure.value(minutes[-1])) if minutes else ""
    return Line(figure.label, figure.tone, paths, areas, latest)


def _hover(figures: Sequence[Figure], minute: LoadMinute, period: Period) -> Hover:
    width = WIDTH * (period.step / period.length)
    values = ", ".join(f"{it.label.lower()} {it.text(it.value(minute))}" for it in figures)
    return Hover(
        round(period.x(minute.begins_at) - width / 2, 1), round(width, 1), f"{minute.begins_at:%H:%M}: {values}"
    )


def _y(value: float, highest: float) -> float:
    return round(HEIGHT * (1 - value / highest), 1)
