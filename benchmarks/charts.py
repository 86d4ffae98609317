"""Charts as SVG text: lines over time, and bars. No script, no font, no network."""

from collections.abc import Sequence
from html import escape

from benchmarks.figures import Curve

__all__ = ["lines", "shares"]

WIDTH, HEIGHT = 640, 240  # of a chart of lines
LEFT, RIGHT, TOP, BOTTOM = 64, 24, 22, 34
ROUND = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)  # an axis ends at one of these, times a power of ten
WIDE, BAR_FROM, BAR_TO = 1100, 130, 1010  # of a chart of bars
COLOURS = (
    *("#1f6feb", "#d1495b", "#2a9d8f", "#e9a23b", "#7d5ba6", "#6c757d", "#0b7285", "#a0522d"),
    *("#9bc53d", "#f78da7", "#264653", "#b8a9c9"),
)


def lines(curves: Sequence[Curve]) -> str:
    """One chart of these curves; they share their units."""
    points = [point for curve in curves for point in curve.points]
    if len(points) < 2:
        return ""
    far, high = (_ceiling(max(point[axis] for point in points)) for axis in (0, 1))
    parts = [_grid(far, high, curves[0].x_unit, curves[0].y_unit)]
    for number, curve in enumerate(curves):
        path = " ".join(f"{_x(x / far):.1f},{_y(y / high):.1f}" for x, y in curve.points)
        colour = COLOURS[number % len(COLOURS)]
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
    return _svg("".join(parts), HEIGHT)


def shares(parts: Sequence[tuple[str, dict[str, float]]], unit: str) -> str:
    """A bar for each row, all of one length, made of coloured shares; its total stands behind it."""
    names = sorted({name for _, values in parts for name in values})
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(names)}
    legend, top = _legend(colours)
    drawn = [legend]
    for title, values in parts:
        total, left = sum(values.values()), float(BAR_FROM)
        drawn.append(f'<text x="0" y="{top + 12}">{escape(title)}</text>')
        for name in names:
            wide = values.get(name, 0.0) / (total or 1.0) * (BAR_TO - BAR_FROM)
            tip = f"<title>{escape(name)}: {values.get(name, 0.0):,.1f} {escape(unit)}</title>"
            drawn.append(
                f'<rect x="{left:.1f}" y="{top}" width="{wide:.1f}" height="16" fill="{colours[name]}">{tip}</rect>'
            )
            left += wide
        drawn.append(f'<text x="{WIDE}" y="{top + 12}" class="e">{total:,.0f} {escape(unit)}</text>')
        top += 22
    return _svg("".join(drawn), top, WIDE) if parts else ""


def _svg(inside: str, height: int, width: int = WIDTH) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img">{inside}</svg>'


def _x(part: float) -> float:
    return LEFT + part * (WIDTH - LEFT - RIGHT)


def _y(part: float) -> float:
    return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)


def _grid(far: float, high: float, x_unit: str, y_unit: str) -> str:
    drawn = []
    for number in range(5):
        y, value = _y(number / 4), high * number / 4
        drawn.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="g"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_short(value)}</text>')
        x = _x(number / 4)
        drawn.append(f'<text x="{x:.1f}" y="{HEIGHT - 18}" text-anchor="middle">{_short(far * number / 4)}</text>')
    drawn.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 3}" text-anchor="end">{escape(x_unit)}</text>')
    drawn.append(f'<text x="{LEFT}" y="{TOP - 9}">{escape(y_unit)}</text>')
    return "".join(drawn)


def _legend(colours: dict[str, str]) -> tuple[str, int]:
    """And where it ends."""
    drawn, left, top = [], 0, 4
    for name, colour in colours.items():
        wide = 30 + 7 * len(name)
        if left + wide > WIDE:
            left, top = 0, top + 18
        drawn.append(f'<rect x="{left}" y="{top}" width="10" height="10" fill="{colour}"/>')
        drawn.append(f'<text x="{left + 14}" y="{top + 9}">{escape(name)}</text>')
        left += wide
    return "".join(drawn), top + 24


def _ceiling(value: float) -> float:
    """A round number that is not smaller."""
    power = 1.0
    while power * 10 <= value:
        power *= 10
    while power > value > 0:
        power /= 10
    return next((power * step for step in ROUND if power * step >= value), 1.0) or 1.0


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
