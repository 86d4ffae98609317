"""The shapes of line charts."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from webhooks.kit.charts.line_chart import HEIGHT, WIDTH, Series, chart, nice_top, short
from webhooks.kit.charts.time_axis import time_axis

AXIS = time_axis("hour", datetime(2026, 5, 4, 12, 3, tzinfo=UTC), ZoneInfo("UTC"))


def test_line_is_broken_where_a_value_is_missing() -> None:
    values = [0, 50, None, 100, *[None] * 8]
    (line,) = chart("Rate", [Series("Delivered", "good", values)], AXIS, str, top=100).lines
    step = WIDTH / 12
    points = [f"{round(step * (place + 0.5), 1)}" for place in range(4)]
    assert line.paths == [
        f"M{points[0]},{HEIGHT}.0 L{points[1]},{HEIGHT / 2}",
        f"M{float(points[3]) - 1},0.0 L{float(points[3]) + 1},0.0",
    ]
    assert len(line.areas) == 2


def test_tooltip_has_both_periods() -> None:
    drawn = chart("In", [Series("Events", "info", [3] * 12, [None, *[2] * 11])], AXIS, short)
    assert drawn.hovers[0].title == "11:05 to 11:10: events 3 (before: none)"
    assert drawn.hovers[1].title == "11:10 to 11:15: events 3 (before: 2)"


def test_top_fits_both_periods() -> None:
    drawn = chart("In", [Series("Events", "info", [3] * 12, [70] * 12)], AXIS, short)
    assert [it.label for it in drawn.levels] == ["0", "50", "100"]
    assert not drawn.is_empty


def test_chart_without_values_is_empty() -> None:
    assert chart("In", [Series("Events", "info", [0, None, *[0] * 10])], AXIS, short).is_empty


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.5, "0.5"), (950, "950"), (9_999, "9,999"), (35_000, "35 k"), (1_250_000, "1.25 M"), (2e9, "2 G")],
)
def test_counts_are_written_short(value: float, text: str) -> None:
    assert short(value) == text


@pytest.mark.parametrize(("value", "top"), [(0, 1), (1, 1), (3, 5), (51, 100), (100, 100), (12_000, 20_000)])
def test_top_is_a_round_number(value: float, top: float) -> None:
    assert nice_top(value) == top
