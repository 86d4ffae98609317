import re

from benchmarks.charts import lines, shares
from benchmarks.figures import Curve


def widths(svg: str) -> list[float]:
    return [float(one) for one in re.findall(r'width="([\d.]+)" height="16"', svg)]


def test_the_shares_of_every_bar_fill_it() -> None:
    svg = shares([("small", {"web": 1.0, "deliver": 3.0}), ("large", {"web": 4_000.0})], "ms")
    small, large = widths(svg)[:2], widths(svg)[2:]
    assert sum(small) == sum(large)
    assert max(small) == 3 * min(small)
    assert "4,000 ms" in svg


def test_a_bar_of_nothing_divides_by_nothing() -> None:
    assert "0 ms" in shares([("idle", {"web": 0.0})], "ms")


def test_every_point_of_a_curve_lies_within_its_chart() -> None:
    svg = lines([Curve("a", "b", "s", "ms", [(0.0, 0.0), (62.0, 9_251.0)])])
    points = [
        tuple(map(float, one.split(","))) for one in re.findall(r"[\d.]+,[\d.]+", re.findall('points="(.*?)"', svg)[0])
    ]
    assert all(0 <= x <= 640 and 0 <= y <= 240 for x, y in points)


def test_a_curve_of_one_point_is_no_curve() -> None:
    assert lines([Curve("a", "b", "s", "ms", [(0.0, 1.0)])]) == ""
